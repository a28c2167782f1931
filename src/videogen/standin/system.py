"""Routes about the server itself: what it is, what it can do, what lies in its folders; and the stand-in's own two."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from aiohttp import web

from videogen.node_schema import Schemas
from videogen.standin import object_info
from videogen.standin.executor import Executor
from videogen.standin.faults import Faults
from videogen.standin.files import Files
from videogen.standin.folders import Folders
from videogen.standin.options import Options
from videogen.standin.renders import Renders

VERSION = "0.38.1+standin"
"""The line of ComfyUI that is imitated, and the mark that it is imitated."""


def features(options: Options) -> dict[str, Any]:
    """What `/features` and the socket's first answer say."""
    return {"supports_preview_metadata": True, "max_upload_size": options.max_upload}


class System:
    """Handlers."""

    def __init__(
        self, options: Options, schemas: Schemas, folders: Folders, executor: Executor, files: Files, renders: Renders,
        faults: Faults,
    ) -> None:  # fmt: skip
        self._options, self._schemas, self._folders = options, schemas, folders
        self._executor, self._files, self._renders, self._faults = executor, files, renders, faults

    def routes(self) -> list[web.RouteDef]:
        """All that the real server has, too."""
        return [
            web.get("/", self._welcome),
            web.get("/system_stats", self._stats),
            web.get("/features", self._features),
            web.get("/object_info", self._all_nodes),
            web.get("/object_info/{name}", self._one_node),
            web.get("/models", self._folder_names),
            web.get("/models/{folder}", self._folder),
            web.get("/experiment/models", self._placed_folders),
            web.get("/experiment/models/{folder}", self._placed_folder),
            web.get("/embeddings", self._embeddings),
            web.get("/internal/folder_paths", self._paths),
        ]

    def own_routes(self) -> list[web.RouteDef]:
        """What only the stand-in has: `POST /standin/faults` takes the list that `faults.py` describes."""
        return [
            web.get("/standin/stats", self._own_stats),
            web.get("/standin/faults", self._show_faults),
            web.post("/standin/faults", self._set_faults),
        ]

    async def _welcome(self, _: web.Request) -> web.Response:
        return web.Response(text="This is video-gen's stand-in for ComfyUI. It has no frontend and no models.\n")

    async def _stats(self, _: web.Request) -> web.Response:
        total, free = _memory()
        system = {
            "os": sys.platform,
            "standin": True,
            "ram_total": total,
            "ram_free": free,
            "comfyui_version": VERSION,
            "required_frontend_version": None,
            "installed_templates_version": None,
            "required_templates_version": None,
            "python_version": sys.version,
            "pytorch_version": "none",
            "embedded_python": False,
            "argv": ["main.py", *self._options.argv],
        }
        device = {
            "name": "stand-in (no GPU, no model)",
            "type": "cpu",
            "index": None,
            "vram_total": total,
            "vram_free": free,
            "torch_vram_total": total,
            "torch_vram_free": free,
        }
        return web.json_response({"system": system, "devices": [device]})

    async def _features(self, _: web.Request) -> web.Response:
        return web.json_response(features(self._options))

    async def _all_nodes(self, _: web.Request) -> web.Response:
        return web.json_response(object_info.answer(self._schemas, self._schemas, self._folders))

    async def _one_node(self, request: web.Request) -> web.Response:
        return web.json_response(object_info.answer((request.match_info["name"],), self._schemas, self._folders))

    async def _folder_names(self, _: web.Request) -> web.Response:
        return web.json_response(list(self._folders.paths))

    async def _folder(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(self._folders.files(request.match_info["folder"]))
        except KeyError:
            return web.Response(status=404)

    async def _placed_folders(self, _: web.Request) -> web.Response:
        hidden = ("configs", "custom_nodes")
        rows = [{"name": name, "folders": paths} for name, paths in self._folders.paths.items() if name not in hidden]
        return web.json_response(rows)

    async def _placed_folder(self, request: web.Request) -> web.Response:
        try:
            located = self._folders.located(request.match_info["folder"])
        except KeyError:
            return web.Response(status=404)
        rows = []
        for name, (path, index) in sorted(located.items()):
            state = path.stat()
            times = {"modified": state.st_mtime, "created": state.st_ctime}
            rows.append({"name": name, "pathIndex": index, **times, "size": state.st_size})
        return web.json_response(rows)

    async def _embeddings(self, _: web.Request) -> web.Response:
        return web.json_response([name.rpartition(".")[0] for name in self._folders.files("embeddings")])

    async def _paths(self, _: web.Request) -> web.Response:
        return web.json_response(self._folders.paths)

    async def _own_stats(self, _: web.Request) -> web.Response:
        counts = asdict(self._executor.stats) | {"renders": self._renders.drawn, "uploads": self._files.uploads}
        return web.json_response({"standin": True, **counts})

    async def _show_faults(self, _: web.Request) -> web.Response:
        return web.json_response([asdict(fault) for fault in self._faults.pending])

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            self._faults.set(json.loads(await request.text()))
        except ValueError as fault:
            return web.json_response({"error": str(fault)}, status=400)
        return await self._show_faults(request)


def _memory() -> tuple[int, int]:
    """RAM in bytes: (all, free)."""
    names: Mapping[str, int] = os.sysconf_names
    page = os.sysconf("SC_PAGE_SIZE")
    total = os.sysconf("SC_PHYS_PAGES") * page
    return total, os.sysconf("SC_AVPHYS_PAGES") * page if "SC_AVPHYS_PAGES" in names else total
