"""One picture of a whole batch: a row a video, five moments each."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
from PIL import Image, ImageDraw

from videogen import font

MOMENTS = (0.0, 0.25, 0.5, 0.75, 1.0)

_TILE = 236
"""Width of a frame in pixels; five of them and the margins fit a page 1,300 pixels wide."""
_TALLEST = 320
_GAP, _MARGIN, _CAPTION, _TITLE = 6, 40, 58, 96
_PAPER, _INK, _SOFT, _LINE, _FAULT = "#fbfaf7", "#1c1b19", "#7d7970", "#e4e0d6", "#b3401f"


def contact_sheet(entries: Sequence[tuple[str, Path]], target: Path, title: str) -> None:
    """Writes a PNG with a row for each `(label, video)`; a video that does not decode gets a row that says so.

    A label that no font of this machine shows whole stands behind the video's name, which is the job's id.
    """
    rows = [(label, path.stem, *_moments(path)) for label, path in entries]
    heights = [max((image.height for image in images), default=0) for _, _, images, _ in rows]
    width = 2 * _MARGIN + len(MOMENTS) * _TILE + (len(MOMENTS) - 1) * _GAP
    height = _TITLE + sum(height + _CAPTION for height in heights) + _MARGIN // 2
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    words, face = font.shown(title, 26, target.parent.name)
    draw.text((_MARGIN, _MARGIN - 8), font.clipped(words, face, width // 2), fill=_INK, font=face)
    count = f"{len(rows)} video{'' if len(rows) == 1 else 's'}"
    draw.text((width - _MARGIN, _MARGIN + 6), count, fill=_SOFT, font=font.own(15), anchor="ra")
    top = _TITLE
    for (label, name, images, facts), tall in zip(rows, heights, strict=True):
        for index, image in enumerate(images):
            sheet.paste(image, (_MARGIN + index * (_TILE + _GAP), top))
        _caption(draw, top + tall + 8, width, _label(label, name), facts, ok=bool(images))
        top += tall + _CAPTION
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(target)


def _label(label: str, name: str) -> tuple[str, font.Font]:
    words, face = font.shown(label, 16, "")
    whole = words == " ".join(label.split())
    return words if whole else f"{name} {words}".rstrip(), face


def _caption(
    draw: ImageDraw.ImageDraw, top: int, width: int, label: tuple[str, font.Font], facts: str, ok: bool
) -> None:
    words, face = label
    small = font.own(14)
    room = width - 2 * _MARGIN - draw.textlength(facts, font=small) - 24
    draw.text((_MARGIN, top), font.clipped(words, face, room), fill=_INK, font=face)
    draw.text((width - _MARGIN, top + 2), facts, fill=_SOFT if ok else _FAULT, font=small, anchor="ra")
    draw.line((_MARGIN, top + 32, width - _MARGIN, top + 32), fill=_LINE)


def _moments(path: Path) -> tuple[list[Image.Image], str]:
    try:
        with av.open(path) as container:
            stream = container.streams.video[0]
            count = sum(1 for packet in container.demux(stream) if packet.size)
            wanted = [round(moment * (count - 1)) for moment in MOMENTS]
            container.seek(0)
            shown = list(_pick(container, stream, wanted))
            rate = float(stream.average_rate or 0)
            facts = f"{stream.width}x{stream.height}   {count} frames   {rate:g} fps   {count / (rate or 1):.1f} s"
    except (av.error.FFmpegError, OSError, IndexError):
        return [], "does not decode"
    return (shown, facts) if shown else ([], "has no frames")


def _pick(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, wanted: list[int]
) -> Iterator[Image.Image]:
    for number, frame in enumerate(container.decode(stream)):
        for _ in range(wanted.count(number)):
            yield _tile(frame)


def _tile(frame: av.VideoFrame) -> Image.Image:
    """Fits the tile's width; a tall frame is made narrower and centred on the paper."""
    scale = min(_TILE / frame.width, _TALLEST / frame.height)
    size = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
    image = Image.fromarray(frame.to_ndarray(format="rgb24")).resize(size, Image.Resampling.LANCZOS)
    if image.width == _TILE:
        return image
    framed = Image.new("RGB", (_TILE, image.height), _PAPER)
    framed.paste(image, ((_TILE - image.width) // 2, 0))
    return framed
