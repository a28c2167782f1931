"""The image, as asked from a container of it: who may what, what is in it, and that it is what was pinned."""

import json
import os
import re
import shutil
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.doubles.docker_engine import ROOT, Container, Start, docker
from videogen import node_schema

FOLDER = ROOT / "images/comfyui"
INSTALLED = "import importlib.metadata as m, json; print(json.dumps({d.metadata['Name']: d.version for d in m.distributions()}))"
# What Ubuntu and OpenSSH bring; whatever else runs as somebody other than its caller needs a reason.
SET_ID = {
    *("chage", "chfn", "chsh", "expiry", "gpasswd", "mount", "newgrp", "passwd", "su", "umount"),
    *("pam_extrausers_chkpwd", "ssh-agent", "ssh-keysign", "unix_chkpwd", "dbus-daemon-launch-helper"),
}


@pytest.fixture(scope="module")
def box(shared_container: Start) -> Container:
    """A container that only waits."""
    return shared_container("sleep", "600")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    """Package → version of the lock that the tested image is made from."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (FOLDER / "standin.lock").read_text(), re.MULTILINE))


def installed(box: Container) -> dict[str, str]:
    found = json.loads(box.host.check_output("/opt/venv/bin/python -c %s", INSTALLED))
    return {normal(name): version for name, version in found.items()}


def components(box: Container) -> dict[str, dict[str, str]]:
    """The SBOM: kind of package → name → version."""
    kinds: dict[str, dict[str, str]] = {}
    for one in json.loads(box.host.file("/usr/share/video-gen/sbom.cdx.json").content)["components"]:
        kinds.setdefault(one["purl"].split(":")[1].split("/")[0], {})[one["name"]] = one["version"]
    return kinds


def test_users(box: Container) -> None:
    """`comfy` is 1000 and can log in with a key only; `gateway` cannot log in at all."""
    comfy, gateway = box.host.user("comfy"), box.host.user("gateway")

    assert (comfy.uid, comfy.shell, comfy.password) == (1000, "/bin/bash", "*")
    assert gateway.shell == "/usr/sbin/nologin"
    assert gateway.uid < 1000
    assert box.host.file("/workspace").user == "comfy"


def test_nobody_but_root_can_change_the_program(box: Container) -> None:
    """All under /opt is root's and writable for root alone."""
    loose = box.host.check_output("find /opt /usr/share/video-gen ! -type l \\( ! -user root -o -perm /022 \\)")

    assert loose == ""


def test_no_surprising_set_id_programs(box: Container) -> None:
    """No program runs as another user but those that Ubuntu brings."""
    found = box.host.check_output("find / -xdev -type f -perm /6000").split()

    assert {path.rsplit("/", 1)[1] for path in found} <= SET_ID


def test_nothing_can_be_installed_later(box: Container) -> None:
    """The environment has no pip, and ComfyUI no manager and no node packs but those of pins.yaml."""
    packs = {pack["name"] for pack in yaml.safe_load((FOLDER / "pins.yaml").read_text())["node_packs"]}

    assert not box.host.run("/opt/venv/bin/python -m pip").succeeded
    assert set(box.host.file("/opt/comfyui/custom_nodes").listdir()) == packs


def test_packages_are_those_of_the_lock(box: Container) -> None:
    """What is installed equals the lock, version for version, with nothing beside it."""
    assert installed(box) == locked()


def test_sbom_names_all_that_is_installed(box: Container) -> None:
    """The SBOM has every Python package, every package of the distribution, and ComfyUI, in the versions found."""
    query = "dpkg-query --show --showformat='${Package} ${Version}\\n'"
    debs = dict(line.split() for line in box.host.check_output(query).splitlines())

    assert components(box)["pypi"] == installed(box)
    assert components(box)["deb"] == debs
    assert components(box)["generic"] == {"comfyui": "0.38.1+standin"}


def test_licences_are_collected(box: Container) -> None:
    """Every component of the SBOM has a folder with the text of its licence."""
    files = box.host.check_output("cd /usr/share/video-gen/licences && find -type f").splitlines()
    texts = {tuple(name.split("/")[1:3]) for name in files if not name.endswith("/SAYS")}
    named = {(kind, name) for kind, names in components(box).items() for name in names}

    assert texts == named
    assert "Apache" in box.host.file("/usr/share/video-gen/licences/generic/comfyui/SAYS").content_string


def test_labels_and_start(image: str) -> None:
    """Labels say what it is and from which commit; PID 1 is tini, which starts our entrypoint; two ports are public."""
    config = json.loads(docker("inspect", "--format", "{{json .Config}}", image))
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}

    assert labels["title"] == "video-gen worker"
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["revision"])
    assert labels["base.name"]
    assert "GPL-3.0" in labels["licenses"]
    assert config["Entrypoint"][:2] == ["/usr/bin/tini", "--"]
    assert config["Entrypoint"][-1] == "/opt/video-gen/images/comfyui/entrypoint.py"
    assert config["User"] == ""
    assert set(config["ExposedPorts"]) == {"8080/tcp", "2222/tcp"}
    assert [word for word in config["Env"] if re.search(r"(?i)key|secret|token|passw", word)] == []


def layers(image: str, folder: Path) -> Iterator[tarfile.TarFile]:
    """The layers one by one, with what a later layer hides, too."""
    saved = folder / "image.tar"
    docker("save", "--output", str(saved), image)
    with tarfile.open(saved) as whole:
        for name in json.load(whole.extractfile("manifest.json") or pytest.fail("no manifest"))[0]["Layers"]:
            with tarfile.open(fileobj=whole.extractfile(name)) as layer:
                yield layer


def test_no_secret_in_any_layer(image: str, tmp_path: Path) -> None:
    """No layer holds a key, this checkout's passphrase, its state or its history, nor what package tools leave."""
    passphrase = ROOT / ".videogen/passphrase"
    own = re.escape(passphrase.read_bytes().strip()) if passphrase.exists() else b"(?!)"
    secret = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[\w+/=]{20}|" + own)
    unwanted = re.compile(
        r"(^|/)(\.git|\.videogen|\.venv|\.env|outputs|ssh_host_.*|\.cache)(/|$)|^var/lib/apt/lists/.+_"
    )
    found = []
    for layer in layers(image, tmp_path):
        for member in layer:
            if member.isfile() and unwanted.search(member.name):
                found.append(member.name)
            elif member.isfile() and member.size < 1 << 20:
                text = (layer.extractfile(member) or pytest.fail(member.name)).read()
                found += [member.name] if secret.search(text) else []

    assert found == []


def test_history_has_no_secret(image: str) -> None:
    """What built the layers is in the history for everybody to read; nothing in it is a secret."""
    history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)

    assert re.findall(r"(?i)(?:token|secret|passwd|password|key)\s*=\s*\S+", history) == []


def test_comfyui_runs_as_comfy_on_loopback(container: Start) -> None:
    """ComfyUI starts as the unprivileged user, says its version, and listens nowhere but on loopback."""
    command = "cd /workspace && exec /opt/venv/bin/python /opt/comfyui/main.py --port 8188 --cpu"
    box = container("su", "comfy", "-c", command)
    probe = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8188/system_stats').read().decode())"
    answer = box.until(lambda: box.run("/opt/venv/bin/python", "-c", probe).stdout)

    assert json.loads(answer)["system"]["comfyui_version"] == "0.38.1+standin"
    assert {process.user for process in box.host.process.filter(comm="python")} == {"comfy"}
    assert box.host.socket.get_listening_sockets() == ["tcp://127.0.0.1:8188"]


def test_node_schemas_are_those_that_lint_reads(box: Container) -> None:
    """The build's recording of node classes is readable for lint and knows every class of every workflow."""
    schemas = node_schema.parse(json.loads(box.host.file("/usr/share/video-gen/node_schemas.json").content))
    used = {
        node["class_type"]
        for graph in (ROOT / "workflows").glob("*/graph.json")
        for node in json.loads(graph.read_text()).values()
    }

    assert used
    assert used <= schemas.keys()
    for name in used:
        assert node_schema.parse({name: schemas[name].recorded})[name].inputs == schemas[name].inputs


def tree(folder: Path, main: str) -> str:
    """A ComfyUI that begins with the lines of `main`, as words of a mount in the stand-in's place."""
    folder.chmod(0o755)
    (folder / "comfy").mkdir()
    (folder / "comfy/cli_args.py").write_text((FOLDER / "standin/comfy/cli_args.py").read_text())
    (folder / "main.py").write_text(main + (FOLDER / "standin/main.py").read_text())
    return f"type=bind,source={folder},destination=/opt/comfyui,readonly"


@pytest.mark.parametrize(
    ("main", "workflows", "error"),
    [
        ("import sys; print('[WARNING] the moon is full', file=sys.stderr)\n", [], "boot warns, .*the moon is full"),
        ("import warnings; warnings.warn('old words')\n", [], "boot warns, .*UserWarning: old words"),
        ("import sys; sys.argv += ['--node-schemas', '/opt/comfyui/few']\n", [], "no node class WanSCAILToVideo"),
        ("", ["scail"], "workflows/scail: no such workflow"),
        ("raise SystemExit(7)\n", [], "did not answer; it ended with 7"),
    ],
    ids=["warning", "python-warning", "missing-class", "unknown-workflow", "no-answer"],
)
def test_proof_refuses(main: str, workflows: list[str], error: str, container: Start, tmp_path: Path) -> None:
    """A ComfyUI that warns, lacks a class or does not answer fails the build's proof, which says what is wrong."""
    mount = tree(tmp_path, main)
    (tmp_path / "few").mkdir()
    (tmp_path / "few/core.json").write_text('{"SaveVideo": {"input": {}}}')
    prove = ["/opt/video-gen/images/comfyui/build/prove.py", "/opt/comfyui", "/opt/video-gen", "/tmp/out.json"]
    box = container("/opt/venv/bin/python", *prove, *workflows, mounts=[mount], options=["--user", "comfy"])
    box.until(lambda: not box.state()["Running"])

    assert box.state()["ExitCode"] == 1
    assert re.search(f"^error: .*{error}", box.logs(), re.MULTILINE), box.logs()


def context(folder: Path) -> Path:
    """A copy of what a build reads."""
    for name in ("src/videogen", "images", "templates", "workflows"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".dockerignore", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def test_build_fails_without_proof(image: str, tmp_path: Path) -> None:
    """There is no image where the proof fails: it is a stage from which the last one takes a file."""
    with pytest.raises(AssertionError, match="no such workflow"):
        docker(*build(context(tmp_path), "--build-arg", "WORKFLOWS=none"), seconds=100)


def test_change_of_our_code_keeps_the_heavy_layers(image: str, tmp_path: Path) -> None:
    """After a change of our code a build makes only the last layers anew, in seconds."""
    folder = context(tmp_path)
    with (folder / "src/videogen/errors.py").open("a") as file:
        file.write("# changed\n")
    began = time.monotonic()
    changed = docker(*build(folder, "--quiet"), seconds=100)
    seconds = time.monotonic() - began
    before, after = (
        json.loads(docker("inspect", "--format", "{{json .RootFS.Layers}}", name)) for name in (image, changed)
    )

    assert before[:-3] == after[:-3]
    assert before[-3] != after[-3]
    assert seconds < 60


def build(folder: Path, *words: str) -> list[str]:
    """The build that made `image`, from another folder."""
    arguments = {"BASE_IMAGE": os.environ["VIDEOGEN_TEST_BASE"], "COMFYUI": "comfyui-standin", "LOCK": "standin.lock"}
    given = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    return ["build", *given, *words, "--file", str(folder / "images/comfyui/Dockerfile"), str(folder)]


def test_entrypoint_finds_all_that_it_imports(box: Container) -> None:
    """The lock has every package that the worker's own code needs, also where it imports late."""
    code = (
        "import runpy, videogen.store, videogen.sync;"
        "print(runpy.run_path('/opt/video-gen/images/comfyui/entrypoint.py')['main'].__name__)"
    )

    assert box.host.check_output("python -W error -c %s", code) == "main"
