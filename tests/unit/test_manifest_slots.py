"""Variants and slots: several files of one name, of which a phase has one."""

import pytest

from videogen import manifest
from videogen.errors import InputError
from videogen.manifest import Manifest

HASH = "b" * 64


def entry(name: str, **more: str) -> str:
    """One entry, as YAML; a key with an empty value is left out."""
    keys = {
        "role": "draws",
        "file": f"wan2.2/{name}-{more.get('variant', 'only')}.safetensors",
        "comfy_folder": "diffusion_models",
        "size": "10",
        "sha256": HASH,
        "source": "bring-your-own",
        "license": "none",
        **more,
    }
    lines = [f"    {key}: {value}\n" for key, value in keys.items() if value]
    return f"  - name: {name}\n" + "".join(lines)


def slot(name: str, empty: str = "official", *, filled: bool = False, pair: str = "", **more: str) -> str:
    """A slot."""
    known = {"slot": f"{{empty: {empty}{', pair: ' + pair if pair else ''}}}"}
    if not filled:
        known |= {"size": "", "sha256": "", "source": "empty"}
    return entry(name, **{**known, **more})


def parsed(*entries: str, half_filled: bool = False) -> Manifest:
    """A manifest of some entries."""
    return manifest.parse("schema: 1\nmodels:\n" + "".join(entries), "m.yaml", half_filled=half_filled)


def faults(*entries: str) -> list[str]:
    """What is wrong with some entries, without file and line."""
    with pytest.raises(InputError) as caught:
        parsed(*entries)
    return [str(fault).split(": ", 1)[1] for fault in caught.value.faults]


SMALL = entry("wan", variant="fp8", phases="[a, b]")
FULL = entry("wan", variant="fp16", phases="[c]")


def test_a_phase_has_one_variant() -> None:
    """Each phase has its variant under the one name; an entry of no phase is on no disk."""
    models = parsed(SMALL, FULL, entry("old", phases="[]"))

    assert [[model.id for model in models.select(phase).models] for phase in ("a", "b", "c")] == [
        ["wan/fp8"],
        ["wan/fp8"],
        ["wan/fp16"],
    ]
    assert models.names == ("wan", "old")
    assert [model.id for model in models.matching("wan")] == ["wan/fp8", "wan/fp16"]
    assert [model.id for model in models.matching("wan/fp16")] == ["wan/fp16"]


def test_selecting_twice_changes_nothing() -> None:
    """A selected manifest selects itself."""
    once = parsed(SMALL, FULL, slot("wan", variant="own")).select("a")

    assert once.select("a") == once


def test_an_empty_slot_falls_back() -> None:
    """Until somebody fills the slot, each phase has its official file, and nothing of the slot."""
    models = parsed(SMALL, FULL, slot("wan", variant="own"))

    assert [model.id for model in models.select("a").models] == ["wan/fp8"]
    assert manifest.require(models.select("c"), "wan", "w.yaml").id == "wan/fp16"
    assert manifest.require(models, "wan", "w.yaml").id == "wan/fp8"


def test_a_filled_slot_goes_before() -> None:
    """A filled slot takes the name in all of its phases, and the official file is not fetched there."""
    models = parsed(SMALL, FULL, slot("wan", variant="own", filled=True, phases="[c]"))

    assert [model.id for model in models.select("c").models] == ["wan/own"]
    assert [model.id for model in models.select("a").models] == ["wan/fp8"]


def test_a_filled_slot_without_a_hash_does_not_fall_back() -> None:
    """Somebody wanted an own file: the official one does not come in silently for it."""
    models = parsed(SMALL, FULL, slot("wan", variant="own", filled=True, sha256="", size=""))
    with pytest.raises(InputError, match="model `wan/own` has no size and sha256"):
        manifest.require(models.select("a"), "wan", "w.yaml: models/0")


def test_a_slot_without_an_official_file_says_what_is_missing() -> None:
    """Who needs an empty slot is told how to fill it."""
    models = parsed(slot("style", "missing"))
    with pytest.raises(InputError) as caught:
        manifest.require(models.select("b"), "style", "w.yaml: models/0")

    assert str(caught.value) == (
        "w.yaml: models/0: slot `style` is empty, and there is no official file for it\n"
        "hint: `videogen models pin style --file YOUR.safetensors` fills it"
    )


WRONG = [
    ((SMALL, entry("wan", variant="fp16", phases="[b, c]")), "models/1/phases: models/0 is wan in phase b already\nhint: each phase has one variant of a name"),
    ((SMALL, entry("wan", variant="fp8", file="wan2.2/x", phases="[c]")), "models/1/variant: is the same as that of models/0: wan/fp8"),
    ((SMALL, entry("wan", variant="fp16", phases="[c]", comfy_folder="loras")), "models/1/comfy_folder: should be that of models/0, which has the same name: diffusion_models"),
    ((entry("wan", source="empty", size="", sha256=""),), "models/0/source: only a slot can be empty\nhint: add `slot: {empty: missing}`"),
    ((slot("wan", "missing", size="3"),), "models/0/source: an empty slot has no size and no sha256\nhint: say where the file is"),
    ((SMALL, slot("wan", variant="own")), "models/1/slot/empty: phase c has no official file of the name wan\nhint: write `missing`"),
    ((SMALL, slot("wan", "missing", variant="own")), "models/1/slot/empty: wan has an official file\nhint: write `official`"),
    ((slot("hi", "missing", pair="lo"),), "models/0/slot/pair: no slot `lo`"),
    ((slot("hi", "missing", pair="lo"), slot("lo", "missing", filled=True)), "models/0/slot/pair: lo is filled and hi is not; they belong together\nhint: `videogen models pin hi --file …`"),
    ((entry("wan", aliases="[x]"), entry("two", aliases="[x]")), "models/1/aliases: `x` is an alias of wan already"),
    ((entry("wan"), entry("two", aliases="[wan]")), "models/1/aliases: `wan` is the name of a model"),
    ((entry("wan", source="{url: ftp://x/y}"),), "models/0/source/url: should be an https address, got 'ftp://x/y'"),
]  # fmt: skip


@pytest.mark.parametrize(("entries", "sentence"), WRONG)
def test_wording(entries: tuple[str, ...], sentence: str) -> None:
    """What cannot be is told at its place."""
    assert sentence in faults(*entries)


def test_a_half_filled_pair_is_let_through_for_whoever_fills_it() -> None:
    """The verb that fills one slot after the other may read the manifest in between."""
    half = (slot("hi", "missing", pair="lo"), slot("lo", "missing", filled=True))

    assert parsed(*half, half_filled=True).names == ("hi", "lo")
