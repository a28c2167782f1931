"""Writes an image's papers: `sbom.cdx.json` (CycloneDX) and `licences/`, a folder for each package with its texts.

    papers.py SITE_PACKAGES COMFYUI FOLDER OUT        FOLDER holds pins.yaml and licences.yaml

Run in the image, after its packages are installed: what is listed is what is there, not what was asked for. Fails where
a package says nothing of its licence, and where ComfyUI's own requirements are not met by what is installed.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import cast

import yaml
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LICENCE_NAMES = ("licen", "copying", "notice", "copyright", "eula")


@dataclass(frozen=True)
class Package:
    """Something in the image that has a version and a licence. `says` is its own short word for the licence."""

    kind: str
    name: str
    version: str
    says: str
    texts: tuple[Path, ...] = ()
    qualifiers: dict[str, str] = field(default_factory=dict)


def main(site_packages: str, comfyui: str, given: str, out: str) -> None:
    """Writes the papers into the folder `out`."""
    found = list(distributions(path=[site_packages]))
    pins, silent = (yaml.safe_load((Path(given) / name).read_text()) for name in ("pins.yaml", "licences.yaml"))
    packages = [
        *(_python(dist, silent) for dist in found),
        *_operating_system(),
        *_comfyui(Path(comfyui), pins),
    ]
    faults = _unmet(Path(comfyui) / "requirements.txt", found)
    faults += [f"{one.name} {one.version}: says nothing of its licence" for one in packages if not _licensed(one)]
    if faults:
        sys.exit("\n".join(f"error: {fault}" for fault in faults))
    folder = Path(out)
    folder.mkdir(parents=True)
    for package in packages:
        _collect(package, folder / "licences" / package.kind / package.name)
    (folder / "sbom.cdx.json").write_text(_sbom(packages), encoding="utf-8")


def _python(dist: Distribution, silent: dict[str, dict[str, str]]) -> Package:
    name = canonicalize_name(dist.metadata["Name"])
    meta = cast("Message", dist.metadata)
    classifiers = [line for line in meta.get_all("Classifier", []) if line.startswith("License ::")]
    says = meta.get("License-Expression") or "; ".join(line.split(" :: ")[-1] for line in classifiers)
    if not says:
        says = (meta.get("License") or "").strip().partition("\n")[0][:80]
    texts = tuple(
        Path(str(dist.locate_file(file)))
        for file in dist.files or ()
        if ".dist-info" in file.parts[0] and file.name.lower().startswith(LICENCE_NAMES)
    )
    if not says and name in silent:
        says = silent[name]["says"]
    return Package("pypi", name, dist.version, says, texts)


def _operating_system() -> Iterator[Package]:
    rows = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package}\t${Version}\t${Architecture}\n"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout.splitlines()  # fmt: skip
    for row in rows:
        name, version, architecture = row.split("\t")
        text = Path("/usr/share/doc") / name / "copyright"
        says, texts = (
            ("see its copyright file", (text,)) if text.is_file() else ("its package has no copyright file", ())
        )
        yield Package("deb", name, version, says, texts, {"arch": architecture})


def _comfyui(tree: Path, pins: dict[str, list[dict[str, str]]]) -> Iterator[Package]:
    version: dict[str, str] = {}
    exec((tree / "comfyui_version.py").read_text(encoding="utf-8"), version)  # noqa: S102 its one line, as it does itself
    licence = tree / "LICENSE"
    standin = "+standin" in version["__version__"]
    says = "Apache-2.0" if standin else "GPL-3.0"
    yield Package("generic", "comfyui", version["__version__"], says, (licence,) if licence.is_file() else ())
    for pack in pins["node_packs"]:
        texts = tuple(sorted((tree / "custom_nodes" / pack["name"]).glob("LICEN*")))
        yield Package("generic", pack["name"], pack["commit"], "see its licence file" if texts else "", texts)


def _unmet(file: Path, found: list[Distribution]) -> list[str]:
    installed = {canonicalize_name(dist.metadata["Name"]): dist.version for dist in found}
    faults = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if text := line.partition("#")[0].strip():
            wanted = Requirement(text)
            version = installed.get(canonicalize_name(wanted.name))
            if version is None or version not in wanted.specifier:
                faults.append(f"ComfyUI's requirements.txt wants {wanted}; requirements.lock has {version or 'none'}")
    return faults


def _licensed(package: Package) -> bool:
    return bool(package.says and package.says != "UNKNOWN") or bool(package.texts)


def _collect(package: Package, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "SAYS").write_text(f"{package.name} {package.version}: {package.says or 'see the text'}\n")
    for number, text in enumerate(package.texts):
        shutil.copyfile(text, folder / (text.name if number == 0 else f"{number}-{text.name}"))


def _sbom(packages: list[Package]) -> str:
    components = [_component(one) for one in packages]
    bom = Bom(components=components)
    image = Component(name="video-gen-worker", type=ComponentType.CONTAINER)
    bom.metadata.component = image
    bom.register_dependency(image, components)
    return str(JsonV1Dot6(bom).output_as_string(indent=1))


def _component(one: Package) -> Component:
    vendor = "ubuntu" if one.kind == "deb" else None
    purl = PackageURL(one.kind, vendor, one.name, one.version, one.qualifiers or None)
    licence = DisjunctiveLicense(name=one.says or "see the text")
    return Component(
        name=one.name,
        version=one.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=str(purl),
        licenses=[licence],
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
