"""The repository agrees with itself: no list stands twice, no page names what has moved."""

import ast
import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import get_args

import pytest
import yaml

from videogen import declared, phase_document, project
from videogen.forecast import traffic
from videogen.manifest import PhaseName
from videogen.money import worst_case

ROOT = project.root()


def tracked(*patterns: str) -> list[Path]:
    """The files under version control, and new ones that are not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [path for name in sorted(set(listed)) if (path := ROOT / name).is_file()]


def names(paths: list[Path]) -> list[str]:
    """Paths relative to the checkout."""
    return [str(path.relative_to(ROOT)) for path in paths]


def test_every_test_is_collected() -> None:
    """Each Python file under tests/ is a test module, a conftest or a double."""
    found = [
        name
        for name in names(tracked("tests/*.py"))
        if not name.startswith("tests/doubles/") and not re.search(r"(^|/)(test_[^/]*|conftest|__init__)\.py$", name)
    ]

    assert found == []


def test_every_test_claims_something() -> None:
    """Each test function has a docstring, which is its claim."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in tracked("tests/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert silent == []


def paths_in_backticks(text: str) -> Iterator[str]:
    """What a page names in backticks and looks like a path of this repository."""
    for word in re.findall(r"`([A-Za-z0-9_.][A-Za-z0-9_./-]*)`", text):
        if "/" in word and not word.startswith(
            (".videogen", ".venv", ".tools", "outputs/", "models/", "receipts/", "manifests/")
        ):
            yield word.rstrip("/")


PAGES = [path for path in tracked("*.md") if path.name != "CHANGELOG.md"]


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_pages_name_what_exists(page: Path) -> None:
    """Every path in backticks exists, and so does every relative link."""
    text = page.read_text(encoding="utf-8")
    top = {path.name for path in ROOT.iterdir()} | {"src"}
    words = [word for word in paths_in_backticks(text) if word.split("/")[0] in top]
    links = [link.split("#")[0] for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)]+)\)", text)]

    assert [word for word in words if not (ROOT / word).exists()] == []
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_stack_files_have_all_keys() -> None:
    """Every stack file has exactly the keys that infra.settings reads, and Pulumi.yaml declares none of its own."""
    from infra.settings import Settings
    from infra.stack_file import PREFIX

    known = {f"{PREFIX}{field.alias or name}" for name, field in Settings.model_fields.items()}
    stacks = {path.name: set(yaml.safe_load(path.read_text())["config"]) for path in tracked("Pulumi.*.yaml")}

    assert set(stacks) == {f"Pulumi.{name}.yaml" for name in ("dev", "prod", "phase-a", "phase-b", "phase-c")}
    for name, keys in stacks.items():
        assert keys == known, name
    assert "config" not in yaml.safe_load((ROOT / "Pulumi.yaml").read_text())


def test_stacks_name_what_their_phase_can_do() -> None:
    """A stack's workers are proven for workflows whose models its phase has; together the phases name every workflow."""
    named: set[str] = set()
    for phase in get_args(PhaseName):
        listed = yaml.safe_load((ROOT / f"Pulumi.phase-{phase}.yaml").read_text())["config"]["videogen:workflows"]
        assert set(listed) <= {one.name for one in phase_document.workflows(phase)}, phase
        named.update(listed)

    assert named == set(project.workflow_names())


@pytest.mark.parametrize("phase", get_args(PhaseName))
def test_a_whole_lease_fits_the_cap(phase: PhaseName) -> None:
    """What a phase costs at worst, rent and the models' way from AWS, is within the cap of its own run."""
    wanted = declared.read(f"phase-{phase}")
    models = project.read_manifest(ROOT / wanted.manifest).select(phase).models
    size = sum(model.expected_bytes for model in models)
    assert wanted.lease

    rent = worst_case(wanted.workers, wanted.dearest, wanted.lease.total)
    assert rent + traffic(wanted.cloud, wanted.workers, size, "") <= wanted.cap.run


def test_nothing_in_infra_shadows_a_package() -> None:
    """Pulumi puts infra/ first on the path: no module in it may hide an installed one."""
    modules = {path.stem if path.suffix == ".py" else path.name for path in (ROOT / "infra").iterdir()}

    assert modules & (packages_distributions().keys() - {"infra"}) <= {"__main__", "__init__", "__pycache__"}


def test_resources_have_tokens_of_ours() -> None:
    """Each resource class is `videogen:index:<its name>`, which the plugin serves; a component `videogen:infra:<…>`."""
    declared = {
        node.name: ast.unparse(node)
        for path in tracked("infra/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and any("Resource" in ast.unparse(base) for base in node.bases)
    }
    served = "\n".join(path.read_text() for path in tracked("infra/provider/*.py"))

    assert set(declared) >= {"GpuWorker", "LocalFolder", "LocalStore", "Phase"}
    for name, code in declared.items():
        if "ComponentResource" in code:
            assert f"videogen:infra:{name}" in code, name
            assert "self.register_outputs(" in code, name
            continue
        assert f"videogen:index:{name}" in code, name
        assert f'"videogen:index:{name}"' in served, name


def test_no_node_numbers() -> None:
    """Code and definitions find nodes by title: no number stands in quotes as a key or an index."""
    quoted = re.compile(r"""\[["']\d+["']\]|["']\d+["']\s*:|\.get\(["']\d+["']""")
    bad = [
        f"{path.relative_to(ROOT)}: {hit}"
        for path in tracked("src/*.py", "infra/*.py", "workflows/*.yaml")
        for hit in quoted.findall(path.read_text())
    ]

    assert bad == []


def test_no_tests_in_production() -> None:
    """The package neither imports mocks nor asks whether it is being tested."""
    words = re.compile(r"unittest\.mock|PYTEST_CURRENT_TEST|_called_from_test")

    assert [
        name
        for name in names(tracked("src/*.py", "infra/*.py", "images/*.py"))
        if words.search((ROOT / name).read_text())
    ] == []


def test_only_the_console_prints() -> None:
    """No module of the package but console.py calls print or writes to stdout."""
    words = re.compile(r"(?<![\w.])print\(|sys\.stdout\.write")
    found = [name for name in names(tracked("src/*.py")) if words.search((ROOT / name).read_text())]

    assert found == ["src/videogen/console.py"]


def test_ci_runs_make() -> None:
    """CI calls .ci/run and nothing else, and that calls make targets that exist; test_pipelines.py has the others."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = re.findall(r"^make (\S+)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    (job,) = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"].values()

    assert called
    assert set(called) <= targets
    assert [step["run"] for step in job["steps"] if "uses" not in step] == [".ci/run"]


def test_decisions_are_all_in_the_index() -> None:
    """docs/decisions/README.md lists every decision, by its own title."""
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text()

    for page in sorted(folder.glob("[0-9]*.md")):
        title = page.read_text().splitlines()[0].removeprefix("# ")
        assert f"[{title}]({page.name})" in index


def test_nothing_of_this_machine() -> None:
    """No file names a home folder, an index of packages, or a path of the machine on which it was written.

    The user of the image has a home, too.
    """
    words = re.compile(r"/ro" r"ot/|/ho" r"me/(?!comfy\b)[a-z]|index-u" r"rl|find-l" r"inks=|GOPR" r"OXY")
    found = []
    for path in tracked("*"):
        if path.suffix in (".png", ".mp4", ".sum") or path.name == "requirements.lock":
            continue
        found += [f"{path.relative_to(ROOT)}: {hit}" for hit in words.findall(path.read_text(encoding="utf-8"))]

    assert found == []


def test_same_keys_in_both_manifests() -> None:
    """The dev manifest names exactly the models of the real one: workflows run on both."""
    real, dev = (project.read_manifest(ROOT / name) for name in ("models_manifest.yaml", "models_manifest.dev.yaml"))

    assert {model.name: model.comfy_folder for model in real.models} == {
        model.name: model.comfy_folder for model in dev.models
    }
