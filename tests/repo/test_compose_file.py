"""docker-compose.yml, .env.example and what builds them agree with each other."""

import re
import subprocess

import yaml

from videogen import project
from videogen.worker_environment import PREFIX, WorkerEnvironment

ROOT = project.root()
TEXT = (ROOT / "docker-compose.yml").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()


def test_only_keys_of_the_oldest_compose() -> None:
    """Nothing is in the file that docker-compose 1.29 refuses, and nothing is built by compose."""
    found = yaml.safe_load(TEXT)

    assert {key for key in found if not key.startswith("x-")} == {"services", "volumes"}
    assert all("build" not in one and "image" in one for one in found["services"].values())


def test_worker_gets_variables_that_it_knows() -> None:
    """Every variable of ComfyUI's container is a field of the worker's environment."""
    given = yaml.safe_load(TEXT)["services"]["comfyui"]["environment"]

    assert {name.removeprefix(PREFIX).lower() for name in given} <= set(WorkerEnvironment.model_fields)


def test_example_explains_each_setting() -> None:
    """Whatever the file reads, .env.example names, but for two that nobody has to set; and nothing else."""
    read = set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT))
    named = set(re.findall(r"^#?([A-Z]\w+)=", EXAMPLE, re.MULTILINE))

    assert read - named == {"VIDEOGEN_PHASE", "VIDEOGEN_COMFYUI_ARGUMENTS"}
    assert named - read == {"COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME", "HF_TOKEN", "RUNPOD_API_KEY"}


def test_example_holds_no_secret() -> None:
    """Its secrets are empty, so that compose refuses a mere copy."""
    assert re.findall(r"^VIDEOGEN_(?:TOKEN|STORE_KEY|STORE_SECRET)=(.+)$", EXAMPLE, re.MULTILINE) == []
    assert len(re.findall(r"\$\{VIDEOGEN_(?:TOKEN|STORE_KEY|STORE_SECRET):\?", TEXT)) == 4


def test_controller_is_pinned() -> None:
    """Its bases have digests, its packages hashes, and the versions of the other locks."""
    folder = ROOT / "images/controller"
    bases = re.findall(r"^ARG (?:BASE|GO)_IMAGE=(.*)$", (folder / "Dockerfile").read_text(), re.MULTILINE)
    here, there = (
        dict(re.findall(r"^([\w.-]+)==(\S+)", path.read_text(), re.MULTILINE))
        for path in (folder / "requirements.lock", ROOT / "requirements.lock")
    )

    assert len(bases) == 2
    assert all(re.fullmatch(r"[\w./:-]+@sha256:[0-9a-f]{64}", base) for base in bases)
    assert {name: version for name, version in here.items() if there.get(name, version) != version} == {}


def test_controllers_dockerfile_passes_hadolint() -> None:
    """hadolint warns of nothing but what a comment explains."""
    words = ["hadolint", "--failure-threshold", "warning", str(ROOT / "images/controller/Dockerfile")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)

    assert done.returncode == 0, done.stdout
