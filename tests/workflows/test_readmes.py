"""The page of each workflow says of models and ladder what manifest and definition say, in both languages."""

import re

import pytest

from videogen import project
from videogen.manifest import Manifest, Model

NAMES = project.workflow_names()
PAGES = ("README.md", "README.ja.md")


@pytest.fixture(scope="module")
def models() -> Manifest:
    """The models of production."""
    return project.read_manifest(project.root() / "models_manifest.yaml")


def _page(name: str, page: str) -> str:
    return (project.root() / "workflows" / name / page).read_text(encoding="utf-8")


def _size(model: Model) -> str:
    """As the pages write it: `14.3 GB (fp8)`."""
    size = model.expected_bytes
    spelt = f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
    return f"{spelt} ({model.variant})" if model.variant else spelt


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", NAMES)
def test_models_have_their_sizes(name: str, page: str, models: Manifest) -> None:
    """The table has a row for each slot, in order, with the size of each official file."""
    flow = project.read_workflow(name)
    slots = flow.slots
    rows = re.findall(r"^\| `([a-z0-9.-]+)` \| ([^|]+) \|", _page(name, page), re.MULTILINE)
    shown = [row for row in rows if row[0] in models.names]
    official = {one: [_size(model) for model in models.models if model.name == one and not model.slot] for one in slots}

    assert [one for one, _ in shown] == list(slots)
    assert [size for one, size in shown if official[one]] == [" / ".join(sizes) for sizes in official.values() if sizes]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", NAMES)
def test_the_ladder_stands_in_its_order(name: str, page: str) -> None:
    """The rungs of a workflow that has some are numbered as they are tried; a chain has those of its steps."""
    rungs = [rung.rung for rung in project.read_workflow(name).definition.ladder]

    assert re.findall(r"^\d\. `([a-z0-9-]+)`", _page(name, page), re.MULTILINE) == rungs


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_say_the_same_things(name: str) -> None:
    """As many sections and rows, the same parameters and commands, and each page leads to the other."""
    english, japanese = (_page(name, page) for page in PAGES)

    for pattern in (r"^#+ ", r"^\| ", r"^videogen .*$"):
        found = [re.findall(pattern, text, re.MULTILINE) for text in (english, japanese)]
        assert found[0] == found[1]
    assert set(re.findall(r"`[a-z_]+`", english)) - set(re.findall(r"`[a-z_]+`", japanese)) <= {"film"}
    assert "[日本語](README.ja.md)" in english
    assert "[English](README.md)" in japanese


@pytest.mark.parametrize("name", NAMES)
def test_what_a_page_calls_a_parameter_is_one(name: str) -> None:
    """The first column of the parameters' table names parameters of the workflow."""
    table = _page(name, "README.md").split("## What goes in")[1].split("## ")[0]
    cells = re.findall(r"^\| (`.*?)\|", table, re.MULTILINE)
    named = [word for cell in cells for word in re.findall(r"`([a-z0-9_]+)`", cell)]

    assert named
    assert set(named) <= set(project.read_workflow(name).parameter_names)
