"""Stack files: closed settings, every fault at once, with its line and its cure."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from infra import configuration
from infra.settings import StackSettings
from infra.stack_file import StackFile
from videogen import project
from videogen.errors import InputError

ROOT = project.root()
STACKS = ("dev", "prod", "phase-a", "phase-b", "phase-c")


def handed_over(text: str) -> dict[str, str]:
    """A stack file's configuration as Pulumi hands it to the program."""
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in yaml.safe_load(text)["config"].items()
    }


def changed(stack: str, **values: str) -> str:
    """The text of a stack file with other values; an empty one removes the key."""
    lines, key = [], ""
    for line in (ROOT / f"Pulumi.{stack}.yaml").read_text().splitlines():
        if not line.startswith("    - "):
            key = line.strip().removeprefix("videogen:").partition(":")[0]
        elif key in values:
            continue
        if values.get(key) != "":
            lines.append(f"  videogen:{key}: {values[key]}" if key in values else line)
    return "\n".join(lines)


def faults(stack: str, **values: str) -> list[str]:
    """Everything that is wrong with the changed file, without its line numbers."""
    text = changed(stack, **values)
    with pytest.raises(InputError) as caught:
        configuration.parse(StackFile(text, f"Pulumi.{stack}.yaml", handed_over(text)))
    return [str(fault).partition("videogen:")[2] for fault in caught.value.faults]


def read(stack: str, environment: Mapping[str, str], **values: str) -> StackSettings:
    """The settings of the changed file in this checkout."""
    return configuration.read(stack, ROOT, handed_over(changed(stack, **values)), environment)


@pytest.mark.parametrize("stack", STACKS)
def test_our_stack_files_are_right(stack: str) -> None:
    """Every stack file that we bring is valid, and its manifest and workflows are there."""
    assert read(stack, {}).stack == stack


def test_phases_differ_only_in_data() -> None:
    """The files of the phases name their phase, GPUs with a price ceiling, a lease and a cap."""
    for stack in ("phase-a", "phase-b", "phase-c"):
        found = read(stack, {}).settings
        assert found.phase == stack[-1]
        assert found.gpus
        assert found.lease is not None


def test_all_faults_at_once_in_the_order_of_the_file() -> None:
    """Wrong words, unknown keys and missing keys are one error, each with its cure where one is known."""
    assert faults("dev", phase="aa", workers="9", places="", cap="{run: 1, mont: 2}") == [
        "places: is required",
        "phase: 'aa' is not one of the words allowed here\nhint: did you mean `a`?",
        "workers: should be less than or equal to 4, got 9",
        "cap/month: is required",
        "cap/mont: unknown key\nhint: did you mean `month`?",
    ]


@pytest.mark.parametrize("name", ["Bad Bucket!", '""', "ab", "-videogen", "v" * 64])
def test_buckets_have_names_that_a_store_takes(name: str) -> None:
    """What is no name of a bucket is a fault at its key, before anything is made."""
    store = "{endpoint: '', region: us-east-1, addressing: path, models: %s, outputs: videogen-outputs}"
    (found,) = faults("dev", store=store % name)

    assert found.startswith(f"store/models: {yaml.safe_load(name)!r} is no name of a bucket: 3 to 63 of ")


def test_models_and_outputs_are_two_buckets() -> None:
    """Outputs among the models would be swept with them."""
    store = "{endpoint: '', region: us-east-1, addressing: path, models: videogen, outputs: videogen}"

    assert faults("dev", store=store) == ["store/outputs: should differ from models: both are videogen"]


def test_a_fault_has_its_line() -> None:
    """The address leads to the line of the key, inside lists too."""
    text = changed("phase-c").replace("gpu: H200-141GB", "gpu: H200-141")
    with pytest.raises(InputError) as caught:
        configuration.parse(StackFile(text, "Pulumi.phase-c.yaml", handed_over(text)))

    line = next(number for number, line in enumerate(text.splitlines(), 1) if "gpu: H200-141," in line)
    assert str(caught.value) == (
        f"Pulumi.phase-c.yaml:{line}: videogen:gpus/1/gpu: 'H200-141' is not one of the words allowed here\n"
        "hint: did you mean `H200-141GB`?"
    )


def test_a_value_from_elsewhere_has_no_line() -> None:
    """A key that Pulumi has from its command line is checked as well, without a line."""
    text = changed("dev")
    config = handed_over(text) | {"videogen:worker": "2"}
    with pytest.raises(InputError) as caught:
        configuration.parse(StackFile(text, "Pulumi.dev.yaml", config))

    assert "videogen:worker: unknown key\nhint: did you mean `workers`?" in str(caught.value)


@pytest.mark.parametrize(
    ("stack", "values", "said"),
    [
        ("dev", {"workers": "0"}, "workers: should be 1 to 4, got 0"),
        ("dev", {"cloud": "none"}, "cloud: is required for phase a"),
        ("dev", {"lease": "none"}, "lease: is required for phase a"),
        (
            "dev",
            {"lease": "{total: 10, idle: 20, boot: 5}"},
            "lease/idle: is longer than the whole lease of 10 minutes",
        ),
        ("dev", {"workflows": "[]"}, "workflows: needs at least one for phase a"),
        ("dev", {"gpus": "[{gpu: L40S, dollars_per_hour: 1}]"}, "gpus: should be []"),
        ("dev", {"foundationStack": "prod"}, "foundationStack: should be none"),
        ("dev", {"foundation": "aws"}, "foundation: should be local, as the cloud is"),
        ("prod", {"workers": "1"}, "workers: should be 0 where phase is none"),
        ("prod", {"foundation": "none", "foundationStack": "dev"}, "phase: the stack declares nothing"),
        ("phase-a", {"foundationStack": "none"}, "foundationStack: is required where foundation is none"),
        ("phase-a", {"rent": "none"}, "rent: is required for phase a"),
        ("phase-a", {"containerDiskGb": "0"}, "containerDiskGb: should be more than 0"),
        ("dev", {"store": "none"}, "store: is required where foundation is local"),
        ("dev", {"image": "none"}, "image: is required for phase a"),
        ("prod", {"rent": "{creates: 1, wait: 0}"}, "rent: should be none where phase is none"),
        ("phase-c", {"cap": "{run: 80, month: 400}"}, "cap: 2 workers for 480 minutes at $5.1/h can cost $81.60"),
    ],
)
def test_impossible_combinations(stack: str, values: dict[str, str], said: str) -> None:
    """What no stack can be is a fault at the key that should change."""
    assert any(fault.startswith(said) for fault in faults(stack, **values))


def test_what_the_file_names_must_be_there() -> None:
    """A workflow, an image or a manifest that is not there is a fault, with the nearest name."""
    with pytest.raises(InputError) as caught:
        read("dev", {}, workflows="[wan22-i2w]", manifest="models_manifest.dv.yaml", image="comfy")

    said = str(caught.value)
    assert "no workflow `wan22-i2w`\nhint: did you mean `wan22-i2v`?" in said
    assert "models_manifest.dv.yaml cannot be read" in said
    assert "no folder images/comfy\nhint: did you mean `comfyui`?" in said


def test_faults_of_the_manifest_are_faults_of_the_stack(tmp_path: Path) -> None:
    """A manifest that is wrong stops the stack before anything is made."""
    for name in ("workflows", "images"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "models_manifest.dev.yaml").write_text("schema: 1\nmodels: [{name: a}]\n")
    with pytest.raises(InputError, match=r"models_manifest.dev.yaml:2: models/0/"):
        configuration.read("dev", tmp_path, handed_over(changed("dev")), {})


def test_the_environment_goes_before_the_file_on_this_machine_only() -> None:
    """Manifest and workflows of the environment hold for local workers, never for rented ones."""
    environment = {"VIDEOGEN_MANIFEST": "models_manifest.yaml", "VIDEOGEN_WORKFLOWS": "wan22-i2v"}

    local, rented = read("dev", environment), read("phase-a", environment | {"COMFYUI_DIR": "/nowhere"})

    assert (local.settings.manifest, local.settings.workflows) == ("models_manifest.yaml", ("wan22-i2v",))
    assert {"scail-uni3c-wan22", "wan22-t2v"} <= set(rented.settings.workflows)
    assert rented.comfyui.folder == ""


def test_a_comfyui_that_is_none() -> None:
    """A wrong variable is a fault with the variable's name."""
    with pytest.raises(InputError) as caught:
        read("dev", {"COMFYUI_DIR": str(ROOT), "COMFYUI_PYTHON": "/nowhere", "VIDEOGEN_WORKFLOWS": "wan"})

    said = str(caught.value)
    assert "environment: COMFYUI_DIR: " in said
    assert "environment: COMFYUI_PYTHON: /nowhere does not exist" in said
    assert "environment: VIDEOGEN_WORKFLOWS: no workflow `wan`" in said


def test_a_relative_comfyui_is_seen_from_the_checkout(tmp_path: Path) -> None:
    """Paths in variables are made absolute; an interpreter stays the link that it is."""
    for name in ("workflows", "images", "models_manifest.dev.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "ComfyUI").mkdir()
    (tmp_path / "ComfyUI" / "main.py").touch()
    (tmp_path / "python").symlink_to("/bin/sh")
    found = configuration.read(
        "dev", tmp_path, handed_over(changed("dev")), {"COMFYUI_DIR": "ComfyUI", "COMFYUI_PYTHON": "python"}
    )

    assert (found.comfyui.folder, found.comfyui.python) == (str(tmp_path / "ComfyUI"), str(tmp_path / "python"))


@pytest.mark.parametrize("stack", ["phase-a", "phase-b", "phase-c"])
def test_what_only_the_user_can_bring(stack: str) -> None:
    """A phase as committed is valid; an image and a key are asked for together, with the way to each; `dev` needs none."""
    configuration.require_possible(read("dev", {}), {})
    with pytest.raises(InputError) as caught:
        configuration.require_possible(read(stack, {}), {})

    image, key = map(str, caught.value.faults)
    assert image.startswith(
        f"Pulumi.{stack}.yaml: videogen:image: none: a rented worker needs an image\nhint: `make publish"
    )
    assert key.startswith("environment: RUNPOD_API_KEY: is missing: nothing can be rented on runpod\nhint: ")
    configuration.require_possible(read(stack, {}, image="me/worker:1"), {"RUNPOD_API_KEY": "k"})


@pytest.mark.parametrize("image", ["comfyui", "me/worker", "Me/Worker:1", "me/worker@sha256:12"])
def test_a_rented_worker_runs_one_revision_of_an_image(image: str) -> None:
    """A reference without tag or digest names nothing in particular."""
    (found,) = faults("phase-a", image=image)

    assert found.startswith(f"image: should be the reference of an image with its tag or digest, got {image}\nhint: ")


def test_an_image_by_its_digest() -> None:
    """A digest is a revision, too; CUDA's version may be written as a number."""
    found = read("phase-a", {}, image=f"ghcr.io/me/worker@sha256:{'0' * 64}", cuda="12.8").settings

    assert (found.image, found.cuda) == (f"ghcr.io/me/worker@sha256:{'0' * 64}", "12.8")


def test_public_keys_are_public_keys() -> None:
    """A line that is none is a fault at its place."""
    (found,) = faults("phase-a", sshPublicKeys='["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA me", "id_ed25519.pub"]')

    assert found.startswith("sshPublicKeys/1: ")
    assert "is no public key, such as the one line in ~/.ssh/id_ed25519.pub" in found


def test_a_list_of_gpus_may_serve_more_than_one_cloud() -> None:
    """A GPU that the cloud does not rent out is passed over, for the caps too; one at least must be left."""
    nowhere = "{gpu: A100-40GB, dollars_per_hour: 99}"
    (found,) = faults("phase-a", gpus=f"[{nowhere}]")
    passed_over = read("phase-a", {}, gpus=f"[{nowhere}, {{gpu: L40S, dollars_per_hour: 1}}]")

    assert found.startswith("gpus: needs at least one that runpod rents out: RTX4090, L40S, A100-80GB, ")
    assert len(passed_over.settings.gpus) == 2


def test_a_run_lowers_cap_and_lease_and_raises_nothing() -> None:
    """What `videogen run` says holds where it is less than what the file says."""
    less = read("phase-a", {"VIDEOGEN_RUN_CAP": "8.50", "VIDEOGEN_RUN_MINUTES": "15"}).settings
    more = read("phase-a", {"VIDEOGEN_RUN_CAP": "900", "VIDEOGEN_RUN_MINUTES": "900"}).settings

    assert less.lease
    assert (less.cap.run, less.lease.model_dump()) == (Decimal("8.50"), {"total": 15, "idle": 15, "boot": 15})
    assert more == read("phase-a", {}).settings
    for wrong in ("0", "-1", "many", "1e3"):
        with pytest.raises(InputError, match=f"environment: VIDEOGEN_RUN_CAP: should be a number above 0, got {wrong}"):
            read("phase-a", {"VIDEOGEN_RUN_CAP": wrong})
