"""The workflow definition document of a phase: made from the files, complete, in both languages."""

import ast
import re
from typing import get_args

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from videogen import cli, phase_document, project
from videogen.manifest import PhaseName

ROOT = project.root()


def workflows_said() -> set[str]:
    """Every sentence of every workflow."""
    return {
        sentence
        for name in project.workflow_names()
        for sentence in phase_document.sentences(project.read_workflow(name))
    }


def test_every_sentence_has_its_japanese() -> None:
    """No sentence of a workflow lacks its Japanese in words.ja.yaml, and none there is without its sentence."""
    known, said = phase_document.japanese(), workflows_said()

    assert sorted(said - known.keys()) == []
    assert sorted(known.keys() - said) == []
    assert [text for text in known.values() if not re.search(r"[ぁ-んァ-ン一-龥]", text)] == []


def test_every_kind_of_flaw_is_explained() -> None:
    """The rules of the page are exactly the kinds and severities that the checks give."""
    given = set()
    for module in ("media", "video_flaws", "collect"):
        for node in ast.walk(ast.parse((ROOT / "src" / "videogen" / f"{module}.py").read_text())):
            if isinstance(node, ast.Call) and node.args and ast.unparse(node.func) in ("Flaw", "_broken"):
                kind, severity = node.args[:2]
                if isinstance(kind, ast.Constant):
                    broken = ast.unparse(node.func) == "_broken"
                    given.add((kind.value, "broken" if broken else ast.literal_eval(severity)))

    assert given == {(rule.kind, rule.severity) for rule in phase_document.RULES}


@pytest.mark.parametrize("name", get_args(PhaseName))
def test_the_page_says_what_the_files_say(name: PhaseName) -> None:
    """Policy, segments, seeds, every workflow with its parameters, models and rungs are on both pages."""
    phase = project.read_phase(name)
    pages = [phase_document.document(name, "en"), phase_document.document(name, "ja")]
    words = [", ".join(phase.policy.sizes), ", ".join(phase.policy.samplers)]
    words += [str(seed) for seed in phase.seeds.values] if phase.seeds else []
    for one in phase_document.workflows(name):
        words += [f"### {one.name}\n", *(f"| `{parameter}` |" for parameter in one.parameter_names)]
        words += [f"`{slot.model}`" for slot in one.definition.models]
        words += [f"`{rung.rung}`" for rung in one.definition.ladder]

    for page in pages:
        assert [word for word in words if word not in page] == []
        assert "{" not in re.sub(r"`[^`]*`", "", page)
    assert "専用ワークフロー定義書" in pages[1].splitlines()[0]


def test_a_page_leaves_out_what_the_phase_cannot_do() -> None:
    """A workflow whose models no worker of the phase has is not on its page, and the short path is on every one."""
    offered = {name: {one.name for one in phase_document.workflows(name)} for name in get_args(PhaseName)}

    assert all("wan22-i2v" in names for names in offered.values())
    assert "wan22-t2v" in offered["a"]
    assert "### wan22-t2v" not in phase_document.document("b", "en")


def test_what_a_page_offers_is_within_the_policy() -> None:
    """Phase b offers its seeds only, SCAIL's multiples of 32 only, and no more steps than the policy."""
    page = phase_document.document("b", "en")
    scail = page[page.index("### scail-uni3c-wan22") : page.index("### scail2-replace")]
    offered = {
        row.split("|")[1].strip(" `"): row.split("|")[3].strip() for row in scail.splitlines() if row[:3] == "| `"
    }

    assert offered["steps"] == "6 to 12"
    assert offered["seed"].startswith("1, 7, 42")
    assert offered["length"] == "49 to 81, 4n + 1"
    assert all(int(side) % 32 == 0 for side in offered["width"].split(", "))


def test_the_pages_commands_exist() -> None:
    """Every `videogen …` line on the page is a verb of this program."""
    for line in re.findall(r"^videogen (.+)$", phase_document.document("b", "ja"), re.MULTILINE):
        command, words = get_command(cli.app), line.split()
        while isinstance(command, TyperGroup):
            command = command.commands[words.pop(0)]
        options = {option for param in command.params for option in param.opts}
        assert [word for word in words if word.startswith("--") and word not in options] == [], line


def test_the_verb_prints_the_page() -> None:
    """`videogen workflow document` gives the same page, and tells the right word for a wrong one."""
    said = CliRunner().invoke(cli.app, ["workflow", "document", "--phase", "b", "--language", "ja"])

    assert said.stdout.strip() == phase_document.document("b", "ja").strip()
    wrong = CliRunner().invoke(cli.app, ["workflow", "document", "--phase", "d"])
    assert "one of: a, b, c" in str(wrong.exception)
