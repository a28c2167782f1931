"""The checkout: finds it, and reads what people wrote in it."""

import hashlib
import mimetypes
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path, PurePosixPath

import jinja2

from videogen import batch, chain, character, graph, manifest, phase, workflow
from videogen.definition import Definition
from videogen.document import Document, did_you_mean, load
from videogen.errors import Fault, InputError

MARKERS = ("Pulumi.yaml", "models_manifest.yaml")


def root() -> Path:
    """The checkout's folder: `VIDEOGEN_PROJECT`, else the nearest above the current folder, else above this file.

    Raises `InputError` where none of them is a checkout.
    """
    named = os.environ.get("VIDEOGEN_PROJECT")
    if named:
        if is_checkout(folder := Path(named).resolve()):
            return folder
        raise InputError.of("VIDEOGEN_PROJECT", f"{named} holds no {' and '.join(MARKERS)}")
    here = Path.cwd().resolve()
    for folder in (here, *here.parents, *Path(__file__).resolve().parents):
        if is_checkout(folder):
            return folder
    raise InputError.of(str(here), "is not inside a video-gen checkout", "change into it, or set VIDEOGEN_PROJECT")


def is_checkout(folder: Path) -> bool:
    """Whether a folder is the top of a checkout."""
    return all((folder / marker).is_file() for marker in MARKERS)


def state(stack: str) -> Path:
    """Where this machine keeps what it knows of a stack: `.videogen/<stack>`, or `$VIDEOGEN_STATE/<stack>`."""
    return Path(os.environ.get("VIDEOGEN_STATE") or root() / ".videogen").resolve() / stack


def ledger(stack: str) -> Path:
    """Where this machine writes down what became of each job of a stack."""
    return state(stack) / "ledger.sqlite"


@cache
def _templates(folder: Path) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=jinja2.select_autoescape(["html"]),
    )


def template(name: str) -> jinja2.Template:
    """A template of `templates/`, in which an unknown variable is an error.

    They belong to this code and lie beside it, also on a worker, which holds no whole checkout.
    """
    return _templates(Path(__file__).resolve().parents[2] / "templates").get_template(name)


def shown(path: Path) -> str:
    """A path as people know it: relative to the current folder or the checkout where it lies in one of them."""
    for base in (Path.cwd(), root()):
        if path.is_relative_to(base):
            return str(path.relative_to(base))
    return str(path)


def read(path: Path) -> str:
    """The text of a file; raises `InputError` where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError.of(shown(path), "no such file", _near(path)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.of(shown(path), f"cannot be read: {error}") from error


def read_manifest(path: Path) -> manifest.Manifest:
    """The manifest in a file; raises `InputError` with every fault."""
    return manifest.parse(read(path), shown(path))


def read_phase(name: manifest.PhaseName) -> phase.Phase:
    """The generation limits of a phase; raises `InputError`."""
    path = root() / "workflows" / "phases" / f"{name}.yaml"
    return load(phase.Phase, read(path), shown(path))


def workflow_names() -> tuple[str, ...]:
    """All workflows of the checkout: the folders of `workflows/` that hold a definition."""
    return tuple(sorted(path.parent.name for path in (root() / "workflows").glob("*/workflow.yaml")))


def read_workflow(name: str, address: str = "workflow") -> workflow.Workflow:
    """A workflow by its folder's name; one without `graph.json` is a chain, and its steps are read as well.

    Raises `InputError`: at `address` for an unknown one, else with every fault in its files.
    """
    if name not in workflow_names():
        raise InputError.of(address, f"no workflow `{name}`", did_you_mean(name, workflow_names()))
    folder = root() / "workflows" / name
    text, where = read(folder / "workflow.yaml"), shown(folder / "workflow.yaml")
    if (folder / "graph.json").exists() or not load(Definition, text, where).chain:
        drawn = graph.parse(read(folder / "graph.json"), shown(folder / "graph.json"))
        found = workflow.parse(text, where, drawn)
    else:
        found = chain.parse_chain(text, where, _step)
    if found.name != name:
        raise InputError.of(f"{shown(folder / 'workflow.yaml')}: name", f"is `{found.name}`, its folder is `{name}`")
    return found


def _step(name: str, address: str) -> workflow.Workflow:
    """The workflow of a chain's step. A chain in a chain is a fault at `address`, or it could hold itself."""
    if name in workflow_names() and not (root() / "workflows" / name / "graph.json").exists():
        raise InputError.of(
            address, f"`{name}` is a chain itself, or has no graph.json", "name the workflows of its steps"
        )
    return read_workflow(name, address)


def character_names() -> tuple[str, ...]:
    """All characters of the checkout."""
    return tuple(sorted(path.stem for path in (root() / "characters").glob("*.yaml")))


def read_character(name: str, address: str = "character") -> tuple[character.Character, Document, Path]:
    """A character by its file's name, its document for addresses, and the folder from which its paths go.

    Raises `InputError`: at `address` for an unknown one, else with every fault of its file.
    """
    if name not in character_names():
        raise InputError.of(address, f"no character `{name}`", did_you_mean(name, character_names()))
    path = root() / "characters" / f"{name}.yaml"
    document = Document(read(path), shown(path))
    found = document.load(character.Character)
    if found.name != name:
        raise InputError.of(document.address(("name",)), f"is `{found.name}`, its file is `{name}.yaml`")
    return found, document, path.parent


def read_batch(path: Path) -> tuple[batch.Batch, Document]:
    """The batch in a file, and its document for addresses; raises `InputError` with every fault."""
    return batch.parse(read(path), shown(path))


def input_digests(files: Iterable[tuple[str, str]], folder: Path) -> dict[str, str]:
    """SHA-256 of each input file by its path, which goes from `folder`, for `(address of its mention, path)`.

    Raises `InputError` with every file that is missing or cannot be read.
    """
    digests: dict[str, str] = {}
    faults: list[Fault] = []
    for address, written in files:
        file = folder / written
        if written in digests:
            continue
        try:
            if file.exists() and not file.is_file():
                faults.append(Fault(address, f"is no file: {written}"))
                continue
            with file.open("rb") as stream:
                digests[written] = hashlib.file_digest(stream, "sha256").hexdigest()
        except FileNotFoundError:
            faults.append(Fault(address, f"no such file: {written}", _near(file)))
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
            faults.append(Fault(address, f"cannot be read: {error}"))
    if faults:
        raise InputError(faults)
    return digests


def _near(path: Path) -> str | None:
    """The file of the same folder that may have been meant: by its name, or one of the same kind."""
    try:
        names = [one.name for one in path.parent.iterdir()]
    except OSError:  # no folder, or one that may be entered and not listed
        return None
    return did_you_mean(path.name, names, lambda name: _kind(name) == _kind(path.name))


def _kind(name: str) -> str:
    """`image`, `video`, or the ending of what is neither."""
    kind = (mimetypes.guess_type(name, strict=False)[0] or "").partition("/")[0]
    return kind if kind in ("image", "video") else PurePosixPath(name).suffix
