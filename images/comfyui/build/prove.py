"""A build's last step: ComfyUI starts on the CPU, as the user who runs it later, and shows that it is what we need.

    prove.py COMFYUI REPOSITORY OUT [WORKFLOW …]

Fails unless every node class that the workflows use (by default all) loads, and unless each line of the boot that warns
is explained in explained.yaml. Writes OUT: what `/object_info` says, as lint reads it.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import yaml

from videogen.node_schema import parse

PORT = 8188
BOOT_SECONDS = 300.0
END_SECONDS = 20.0
WARNS = re.compile(r"\b(WARNING|WARN|ERROR|CRITICAL)\b|Warning:|Error:|Traceback|IMPORT FAILED|Cannot import", re.ASCII)
KEPT = ("category", "display_name", "input", "input_order", "name", "output", "output_is_list", "output_name")
TEXTS = ("tooltip", "description")


def main(comfyui: str, repository: str, out: str, *workflows: str) -> int:
    """The exit code; what is wrong is on stderr, after the boot's own words."""
    root = Path(repository)
    schemas, log = boot(Path(comfyui))
    faults = [
        *missing(root / "workflows", workflows, schemas),
        *unexplained(log, root / "images" / "comfyui" / "build" / "explained.yaml"),
    ]
    if faults:
        sys.stderr.write("".join((log, "\n", *(f"error: {fault}\n" for fault in faults))))
        return 1
    parse(schemas, out)
    written = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
    rows = (f"{written(name)}:{written(recorded(schemas[name]))}" for name in sorted(schemas))
    Path(out).write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
    return 0


def boot(comfyui: Path) -> tuple[dict[str, Any], str]:
    """What it says of its node classes, and all that it wrote until then."""
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+", encoding="utf-8") as log:
        known = (comfyui / "comfy" / "cli_args.py").read_text(encoding="utf-8")
        offline = "--offline" if '"--offline"' in known else "--disable-api-nodes"
        flags = [f"--port={PORT}", "--cpu", "--disable-auto-launch", offline, "--database-url=sqlite:///:memory:"]
        flags += [f"--{name}-directory={folder}/{name}" for name in ("input", "output", "temp", "user")]
        for name in ("input", "output", "user"):
            (Path(folder) / name).mkdir()
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, str(comfyui / "main.py"), *flags]
        with subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment) as process:
            try:
                schemas = answer(process)
            finally:
                process.terminate()
                try:
                    process.wait(END_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
        log.seek(0)
        text = log.read()
    if schemas is None:
        sys.exit(f"{text}\nerror: ComfyUI did not answer; it ended with {process.returncode}")
    return schemas, text


def answer(process: "subprocess.Popen[bytes]") -> dict[str, Any] | None:
    """`/object_info`, once it is served; nothing when the process ends or the time does."""
    end = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urlopen(f"http://127.0.0.1:{PORT}/object_info", timeout=BOOT_SECONDS) as response:
                schemas: dict[str, Any] = json.load(response)
                return schemas
        except (URLError, ConnectionError):
            time.sleep(0.1)
    return None


def missing(folder: Path, chosen: tuple[str, ...], schemas: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each node class that a workflow uses and ComfyUI does not have."""
    graphs = {path.parent.name: path for path in sorted(folder.glob("*/graph.json"))}
    for name in chosen or graphs:
        if name not in graphs:
            yield f"workflows/{name}: no such workflow; there are {', '.join(graphs)}"
            continue
        used = {node["class_type"] for node in json.loads(graphs[name].read_text(encoding="utf-8")).values()}
        for absent in sorted(used - schemas.keys()):
            yield f"workflows/{name}: this ComfyUI has no node class {absent}"


def unexplained(log: str, explained: Path) -> Iterator[str]:
    """A sentence for each line that warns and that nobody has explained."""
    known = [re.compile(entry["line"]) for entry in yaml.safe_load(explained.read_text(encoding="utf-8"))]
    for line in log.splitlines():
        if WARNS.search(line) and not any(pattern.search(line) for pattern in known):
            yield f"ComfyUI's boot warns, and {explained.name} does not say why: {line.strip()}"


def recorded(node: Mapping[str, Any]) -> dict[str, Any]:
    """A class without what only its own page shows."""
    kept = {key: textless(node[key]) for key in KEPT if key in node}
    return kept | {"output_node": bool(node.get("output_node", False))}


def textless(value: Any) -> Any:
    """The same without help texts."""
    if isinstance(value, dict):
        return {key: textless(inner) for key, inner in value.items() if not (key in TEXTS and isinstance(inner, str))}
    return [textless(inner) for inner in value] if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
