"""Routes that take and give files: `/upload/image` and `/view`."""

import asyncio
import hashlib
import os
import uuid
from pathlib import Path
from typing import IO

from aiohttp import hdrs, web

from videogen.standin.folders import Folders

_ATTACHED = frozenset((".html", ".htm", ".xhtml", ".js", ".mjs", ".css", ".svg", ".xml"))
"""Types that a browser would run: sent as bytes to keep, not to show."""


class Files:
    """Handlers over the input, output and temp directories."""

    def __init__(self, folders: Folders) -> None:
        self.uploads = 0
        self._folders = folders

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        return [web.get("/view", self._view), web.post("/upload/image", self._upload)]

    async def _view(self, request: web.Request) -> web.StreamResponse:
        name = request.query.get("filename")
        if not name:
            return web.Response(status=404)
        if name.startswith("/") or ".." in name:
            return web.Response(status=400)
        root = self._folders.directory(request.query.get("type", "output"))
        if root is None:
            return web.Response(status=400)
        folder = _inside(root, request.query.get("subfolder", ""))
        if folder is None:
            return web.Response(status=403)
        file = folder / os.path.basename(name)
        if not file.is_file():
            return web.Response(status=404)
        headers = {hdrs.CONTENT_DISPOSITION: f'filename="{file.name}"'}
        if "preview" in request.query:
            kind, _, quality = request.query["preview"].partition(";")
            data = await asyncio.to_thread(_preview, file, kind, int(quality) if quality.isdigit() else 90)
            return web.Response(body=data, content_type=f"image/{kind}", headers=headers)
        if file.suffix.lower() in _ATTACHED:
            headers[hdrs.CONTENT_TYPE] = "application/octet-stream"
            headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="{file.name}"'
        return web.FileResponse(file, headers=headers)

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        image = form.get("image")
        root = self._folders.directory(str(form.get("type", "input")))
        if not isinstance(image, web.FileField) or not image.filename or root is None:
            return web.Response(status=400)
        subfolder = str(form.get("subfolder", ""))
        folder = _inside(root, subfolder)
        if folder is None or _inside(root, os.path.join(subfolder, image.filename)) is None:
            return web.Response(status=400)
        overwrite = form.get("overwrite") in ("true", "1")
        name = await asyncio.to_thread(_store, folder, image.filename, image.file, overwrite)
        self.uploads += 1
        return web.json_response({"name": name, "subfolder": subfolder, "type": form.get("type", "input")})


def _inside(root: Path, below: str) -> Path | None:
    """The path below `root`; None when it leads out of it."""
    path = Path(os.path.normpath(root / below))
    return path if path == root or root in path.parents else None


def _store(folder: Path, name: str, data: IO[bytes], overwrite: bool) -> str:
    """Write an upload, appearing whole or not at all. Equal content keeps its name, other content gets ` (n)`."""
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = _digest(data)
    stem, suffix = os.path.splitext(name)
    number = 0
    while not overwrite and target.exists():
        with target.open("rb") as present:
            if _digest(present) == digest:
                return os.path.relpath(target, folder)
        number += 1
        target = folder / f"{stem} ({number}){suffix}"
    part = target.with_name(f".{uuid.uuid4().hex}.part")
    data.seek(0)
    with part.open("wb") as stream:
        while block := data.read(1 << 20):
            stream.write(block)
    os.replace(part, target)
    return os.path.relpath(target, folder)


def _digest(data: IO[bytes]) -> bytes:
    digest = hashlib.sha256()
    while block := data.read(1 << 20):
        digest.update(block)
    return digest.digest()


def _preview(file: Path, kind: str, quality: int) -> bytes:
    import io

    from PIL import Image

    data = io.BytesIO()
    with Image.open(file) as picture:
        picture.convert("RGB").save(data, format="webp" if kind == "webp" else "jpeg", quality=quality)
    return data.getvalue()
