"""`videogen check`: did the videos break, and do they show one and the same character?"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from videogen import consistency, media, project
from videogen.cli.options import AsJson, OutputsFile, Stack, named_stack
from videogen.cli.records import videos_of
from videogen.consistency import ColourAndStructure, Measure, Pictures
from videogen.console import Console, counted, table
from videogen.embedding import Embedding
from videogen.errors import InputError
from videogen.likeness import ALIKE, NAME, Numbers


def check(
    what: Annotated[list[str], typer.Argument(metavar="VIDEO|BATCH…", help="Video files, or names of batches.")],
    stack: Stack = None,
    file: OutputsFile = None,
    like: Annotated[Path | None, typer.Option(metavar="IMAGE", help="The character's picture.")] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.onnx", help="An image embedding to compare with, by onnxruntime.  [default: colours]"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look into videos: black, frozen, flicker, cuts, size, times; and whether all show the same character."""
    console = Console(as_json)
    measure: Measure = Embedding(model) if model else ColourAndStructure()
    picture = _picture(like, measure) if like else None
    paths = [path for one in what for path in _files(one, stack, file)]
    looks, signatures = {}, {}
    for path in dict.fromkeys(paths):
        pictures = Pictures(measure)
        looks[project.shown(path)] = media.look(path, also=pictures.take)
        # A black or frozen video is nobody's likeness.
        if pictures.signature is not None and not looks[project.shown(path)].broken:
            signatures[project.shown(path)] = pictures.signature
    found = consistency.consistency(signatures, picture, measure)
    shown = table("video", "verdict", "found", "like the others", "like the picture")
    for name, look in looks.items():
        verdict = "broken" if look.broken else "suspicious" if look.flaws else "good"
        shares = [f"{one[name]:.2f}" if name in one else "–" for one in (found.to_others, found.to_picture)]
        shown.add_row(name, verdict, "; ".join(str(flaw) for flaw in look.flaws) or "–", *shares)
    videos = {name: asdict(look) for name, look in looks.items()}
    console.data({"videos": videos, "consistency": asdict(found)}, shown)
    broken = sum(1 for look in looks.values() if look.broken)
    flawed = sum(1 for look in looks.values() if look.flaws) - broken
    console.say(f"{counted(len(looks), 'video')}: {broken} broken, {flawed} suspicious")
    if found.to_others or found.to_picture:
        known = f": the same character has {ALIKE} or more" if found.measure == NAME else ""
        console.say(f"likeness by {found.measure}{known}")
    if small := sum(1 for name, look in looks.items() if not look.broken and name not in signatures):
        console.say(f"{counted(small, 'video')} too small to compare: less than {consistency.SMALLEST} pixels")
    if found.least:
        console.say(f"least alike ({found.least[2]:.2f}): {found.least[0]} and {found.least[1]}")
    for name in found.unlike:
        console.warn(f"{name} may show another character")
    if broken:
        raise typer.Exit(1)


def _files(what: str, stack: str | None, file: Path | None) -> list[Path]:
    """The file of that name, or the videos of the batch of that name that lie on this machine."""
    path = Path(what)
    if path.is_file():
        return [path.resolve()]
    if not stack and not file:
        raise InputError.of(what, "no such file", "for the videos of a batch also name its stack: `--stack dev`")
    here = [one for one in videos_of(named_stack(stack, file), what) if one.is_file()]
    if not here:
        raise InputError.of(what, "none of its videos lies on this machine", f"`videogen outputs fetch {what}`")
    return here


def _picture(path: Path, measure: Measure) -> Numbers:
    try:
        return consistency.of_image(path, measure)
    except media.UnreadableMedia as error:
        raise InputError.of(f"--like {path}", error.message) from error
