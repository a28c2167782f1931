"""`videogen models …` on a real hub double and a real S3 server."""

import hashlib
import json
import math
import os
import subprocess
import sys
import time
from difflib import unified_diff
from pathlib import Path

import pytest

from tests.doubles.hub import COMMIT
from tests.models.conftest import Desk
from videogen import manifest, project
from videogen.cli.manifest_options import manifest_path
from videogen.standin.weights import weights
from videogen.store import manifest_key, model_key

MiB = 1 << 20


def sha256(content: bytes) -> str:
    """As a manifest has it."""
    return hashlib.sha256(content).hexdigest()


def changed(before: str, after: str) -> list[str]:
    """The lines that differ."""
    lines = unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[:2] not in ("--", "++", "@@")]


def test_pin_reads_the_origin(desk: Desk) -> None:
    """Size, hash and the branch's commit come into the manifest, and nothing else in it changes."""
    entry, content = desk.hub_entry("thing", more="    estimate: 5000   # about\n")
    desk.write(entry)
    before = desk.manifest.read_text()
    said = desk.models("pin", "thing", "--json")

    assert said.code == 0, said.err
    assert said.json["pinned"] == [{"id": "thing", "size": 5000, "sha256": sha256(content)}]
    assert changed(before, desk.manifest.read_text()) == [
        "-    estimate: 5000   # about",
        "+    size: 5000",
        f"+    sha256: {sha256(content)}",
        "-      revision: main  # moves",
        f"+      revision: {COMMIT}  # moves",
    ]


def test_what_pin_read_is_not_read_again(desk: Desk) -> None:
    """A mirror after a pin takes the bytes that pin fetched."""
    entry, content = desk.hub_entry("thing")
    desk.write(entry)
    assert desk.models("pin").code == 0
    sent = desk.hub.sent()
    said = desk.models("mirror")

    assert (said.code, desk.hub.sent()) == (0, sent)
    assert desk.s3.store().get_bytes("models", model_key(sha256(content))) == content
    assert [*(desk.folder / "state/mirror").iterdir()] == []


def test_pin_believes_the_hub_only_when_told(desk: Desk) -> None:
    """`--stated` reads nothing; the mirror then proves the bytes, and stores none that are not as stated."""
    entry, content = desk.hub_entry("thing")
    desk.write(entry)

    assert desk.models("pin", "thing", "--stated").code == 0
    assert f"sha256: {sha256(content)}" in desk.manifest.read_text()
    assert desk.hub.sent() == 0
    desk.hub.files = {path.replace("main", COMMIT): found for path, found in desk.hub.files.items()}
    desk.hub.mood = "flipped"
    said = desk.models("mirror")
    assert said.code == 1
    assert (
        f"has sha256 {sha256(content[:-1] + bytes([content[-1] ^ 1]))}, the manifest says {sha256(content)}" in said.err
    )
    assert [*desk.s3.store().list("models", "")] == []
    desk.hub.mood = "good"
    assert desk.models("mirror").code == 0


def test_a_hub_that_states_no_hash_is_read(desk: Desk) -> None:
    """Where nothing is stated, `--stated` says what to do instead."""
    entry, _ = desk.hub_entry("thing")
    desk.write(entry)
    desk.hub.states_hash = False
    said = desk.models("pin", "thing", "--stated")

    assert (said.code, said.err.splitlines()[-1]) == (1, "hint: `videogen models pin thing` reads the file instead")
    assert desk.models("pin", "thing").code == 0


def test_a_page_is_not_pinned_for_a_model(desk: Desk) -> None:
    """What does not begin like safetensors is refused: it may be a page that asks to log in."""
    entry, _ = desk.hub_entry("thing")
    desk.write(entry)
    desk.hub.put("org/repo", "thing.safetensors", b"<!doctype html> please log in")
    said = desk.models("pin", "thing")

    assert said.code == 2
    assert "is no safetensors file, which thing should be" in said.err
    assert "sha256" not in desk.manifest.read_text()


SLOT = """  - name: {name}
    slot: {{empty: missing, pair: {pair}}}
    role: mine
    file: lora/{name}.safetensors
    comfy_folder: loras
    source: empty   # nothing yet
    license: mine
"""


def test_a_pair_of_slots_is_filled_with_own_files(desk: Desk, tmp_path: Path) -> None:
    """One file after the other goes into its slot; in between the other one is called for."""
    desk.write(SLOT.format(name="hi", pair="lo"), SLOT.format(name="lo", pair="hi"))
    before = desk.manifest.read_text()
    for name in ("hi", "lo"):
        (tmp_path / f"my {name}.safetensors").write_bytes(b"".join(weights(name, 3000)))
    first = desk.models("pin", "hi", "--file", str(tmp_path / "my hi.safetensors"))

    assert first.code == 0
    assert "hi is filled and lo is not; they belong together" in first.err
    assert desk.models("mirror").code == 2
    assert desk.models("pin", "lo", "--file", str(tmp_path / "my lo.safetensors")).code == 0
    assert desk.models("mirror").code == 0
    content = b"".join(weights("hi", 3000))
    assert changed(before, desk.manifest.read_text())[:4] == [
        "-    source: empty   # nothing yet",
        "+    size: 3000",
        f"+    sha256: {sha256(content)}",
        f"+    source: {{local: {tmp_path}/my hi.safetensors}}   # nothing yet",
    ]


def test_a_slot_is_filled_from_an_address(desk: Desk) -> None:
    """An https address (here of this machine) fills a slot as well, with its host's own token."""
    desk.hub_entry("thing")
    desk.hub.tokens["/org/repo/resolve/main/thing.safetensors"] = "their-token"
    desk.write(SLOT.format(name="hi", pair="hi"))
    address = f"{desk.hub.address}/org/repo/resolve/main/thing.safetensors".replace("127.0.0.1", "localhost")
    refused = desk.models("pin", "hi", "--url", address)
    said = desk.models("pin", "hi", "--url", address, VIDEOGEN_TOKEN_LOCALHOST="their-token")

    assert refused.code == 1
    assert "hint: set VIDEOGEN_TOKEN_LOCALHOST" in refused.err
    assert said.code == 0, said.err
    assert (
        f'source: {{url: "{address}"}}' in desk.manifest.read_text()
        or f"source: {{url: {address}}}" in desk.manifest.read_text()
    )
    assert "their-token" not in said.out + said.err + desk.manifest.read_text()


PIN_REFUSALS = [
    (("pin", "nothing"), "models: no model `nothing` in the manifest\nhint: one of: hi, one"),
    (("pin", "one"), "models: pinned already: one\nhint: --again pins anew"),
    (("pin", "hi"), "models: slot hi is empty\nhint: `videogen models pin hi --file YOUR.safetensors`, or --url https://…"),
    (("pin", "one", "--url", "https://x.example/y"), "--url: one is no slot, its source is in the manifest\nhint: --again changes it"),
    (("pin", "hi", "--url", "http://x.example/y"), "--url: should be an https address, got 'http://x.example/y'"),
    (("pin", "old-one"), "models: `old-one` is an alias\nhint: write its name: `one`"),
    (("pin", "hi", "--file", "/none"), "/none: cannot be read: No such file or directory"),
    (("pin", "--file", "/none"), "models: a file is for one entry (none named)\nhint: name it as NAME/VARIANT"),
    (("list", "--phase", "d"), "--phase: 'd' is not a phase\nhint: one of: a, b, c"),
    (("verify",), "--stack: nothing to verify\nhint: name a store (--stack, --outputs), a --folder, or both"),
    (("mirror",), "--stack: which store?\nhint: --stack prod, --outputs FILE.json, or the variables VIDEOGEN_STORE_MODELS, _ENDPOINT, _KEY, _SECRET"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "sentence"), PIN_REFUSALS)
def test_refusals(desk: Desk, words: tuple[str, ...], sentence: str) -> None:
    """What cannot be done is told with what to do instead, and counts as wrong input."""
    one = "  - {name: one, role: r, file: vae/one, comfy_folder: vae, size: 1, sha256: %s, source: bring-your-own, license: n, aliases: [old-one]}\n"
    desk.write(one % ("a" * 64), SLOT.format(name="hi", pair="hi"))
    said = desk.models(*words, VIDEOGEN_STORE_MODELS="")

    assert (said.code, said.err) == (2, sentence)


def test_mirror_with_a_token(desk: Desk) -> None:
    """A gated model comes with the hub's token; without, it alone is absent; the token is nowhere in what is said."""
    gated, content = desk.hub_entry("gated")
    free, _ = desk.hub_entry("free")
    desk.write(gated, free)
    assert desk.models("pin", "--stated").code == 0
    desk.hub.files |= {path.replace("main", COMMIT): found for path, found in desk.hub.files.items()}
    desk.hub.tokens[f"/org/repo/resolve/{COMMIT}/gated.safetensors"] = "hf-very-secret"
    without = desk.models("mirror", "--json")
    wrong = desk.models("mirror", HF_TOKEN="hf-wrong-secret")
    with_it = desk.models("mirror", "--json", HF_TOKEN="hf-very-secret")

    assert (without.code, without.json["stored"]) == (1, ["free"])
    assert "gated is not in the store" in without.err
    assert "set HF_TOKEN" in without.err
    assert "HF_TOKEN is set, but may not read it" in wrong.err
    assert (with_it.code, with_it.json["stored"]) == (0, ["gated"])
    assert "secret" not in "".join(said.out + said.err for said in (without, wrong, with_it))
    assert {asked.authorization for asked in desk.hub.asked if asked.host == "store"} == {None}
    text = desk.manifest.read_text()
    assert desk.s3.store().get_bytes("models", manifest_key(manifest.digest(text))).decode() == text
    assert desk.s3.store().get_bytes("models", model_key(sha256(content))) == content


def test_a_killed_mirror_goes_on(desk: Desk) -> None:
    """After kill -9 the next mirror asks for the rest only, and the bytes are right."""
    entry, content = desk.hub_entry("large", 40 * MiB + 17)
    desk.write(entry)
    assert desk.models("pin", "--stated").code == 0
    desk.hub.files |= {path.replace("main", COMMIT): found for path, found in desk.hub.files.items()}
    desk.hub.mood, desk.hub.limit = "slow", 20 * MiB
    command = [sys.executable, "-m", "videogen.cli", "models", "mirror"]
    process = subprocess.Popen(command, env={**os.environ, **desk.environment}, stderr=subprocess.PIPE)
    part = desk.folder / f"state/mirror/{sha256(content)}.part"
    deadline = time.monotonic() + 60
    while not part.exists() or part.stat().st_size < 4 * MiB:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=20)
    desk.hub.mood = "good"
    kept = part.stat().st_size
    said = desk.models("mirror")

    assert said.code == 0, said.err
    assert desk.hub.asked[-1].range == f"bytes={kept}-"
    stored = desk.s3.file("models", model_key(sha256(content)))
    assert stored.read_bytes() == content


def test_a_damaged_part_is_not_trusted(desk: Desk) -> None:
    """A part that changed on disk fails the hash, is dropped, and the next mirror is right."""
    entry, content = desk.hub_entry("large", MiB)
    desk.write(entry)
    assert desk.models("pin", "--stated").code == 0
    desk.hub.files |= {path.replace("main", COMMIT): found for path, found in desk.hub.files.items()}
    part = desk.folder / f"state/mirror/{sha256(content)}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"?" + content[1:5000])

    assert desk.models("mirror").code == 1
    assert not part.exists()
    assert desk.models("mirror").code == 0


def standins(desk: Desk, *names: str) -> None:
    """A manifest of small stand-ins in the desk's store."""
    entries = []
    for name in names:
        content = b"".join(weights(name, 4000))
        entries.append(
            f"  - {{name: {name}, role: r, file: vae/{name}.safetensors, comfy_folder: vae, size: 4000, "
            f"sha256: {sha256(content)}, source: stand-in, license: none}}\n"
        )
    desk.write(*entries)
    assert desk.models("mirror").code == 0


def test_from_bucket_to_disk(desk: Desk, tmp_path: Path) -> None:
    """Sync fills a folder; list and verify then find everything there, and find what is damaged."""
    standins(desk, "one", "two")
    models = tmp_path / "models"
    cold = desk.models("diff", "--json", "--folder", str(models))
    assert desk.models("sync", "--folder", str(models)).code == 0
    listed = json.loads(desk.models("list", "--folder", str(models), "--json").out)
    proven = desk.models("verify", "--folder", str(models), "--read")
    (models / "vae/one.safetensors").write_bytes(b"!" * 4000)
    bucket = desk.s3.file("models", model_key(sha256(b"".join(weights("two", 4000)))))
    bucket.write_bytes(b"?" * 4000)
    broken = desk.models("verify", "--folder", str(models), "--read", "--json")

    assert cold.json["bytes"] == 8000
    assert [(row["id"], row["bucket"], row["disk"]) for row in listed] == [("one", "ok", "ok"), ("two", "ok", "ok")]
    assert (proven.code, proven.err.splitlines()[-1]) == (0, "4 of 4 are right")
    assert broken.code == 1
    states = [(row["model"], row["where"], row["state"]) for row in json.loads(broken.out)]
    assert states == [
        ("one", "bucket", "ok"), ("two", "bucket", "wrong"), ("one", "disk", "wrong"), ("two", "disk", "ok"),
    ]  # fmt: skip


def test_foreign_files_go_only_when_asked(desk: Desk, tmp_path: Path) -> None:
    """A file that no model names stays, unless it is asked for and agreed to."""
    standins(desk, "one")
    models = tmp_path / "models"
    (models / "vae").mkdir(parents=True)
    (models / "vae/mine.safetensors").write_bytes(b"mine")
    words = ("sync", "--folder", str(models))

    assert "foreign, left alone: vae/mine.safetensors" in desk.models(*words).err
    refused = desk.models(*words, "--remove-foreign", typed="\n")
    assert (refused.code, (models / "vae/mine.safetensors").exists()) == (1, True)
    assert "foreign: vae/mine.safetensors" in refused.err
    assert "foreign, removed: vae/mine.safetensors" in desk.models(*words, "--remove-foreign", "--yes").err
    assert not (models / "vae/mine.safetensors").exists()
    assert desk.models("verify", "--folder", str(models)).code == 0


def test_a_stack_without_workers_leads_to_its_store(desk: Desk, tmp_path: Path) -> None:
    """The outputs of a foundation are enough, although it rents nothing."""
    standins(desk, "one")
    outputs = tmp_path / "prod.json"
    keys = {"key": desk.s3.access.key.reveal(), "secret": desk.s3.access.secret.reveal()}
    outputs.write_text(json.dumps({"store": desk.s3.place.model_dump(), "storeAccess": keys, "stack": "prod"}))
    said = desk.models("verify", "--outputs", str(outputs), VIDEOGEN_STORE_MODELS="")

    assert (said.code, said.err.splitlines()[-1]) == (0, "1 of 1 are right")


def test_diff_of_the_real_manifest(desk: Desk) -> None:
    """Phase c: GB, minutes at 1 Gbit/s, and egress dollars of AWS and of a store without egress cost."""
    real = str(project.root())
    said = desk.models("diff", "--phase", "c", VIDEOGEN_PROJECT=real)
    found = desk.models("diff", "--phase", "c", "--json", VIDEOGEN_PROJECT=real).json

    assert "phase c: a boot fetches 15 models, ≈ 111.2 GB" in said.out
    assert "at 1 Gbit/s: 14m 49s (14.8 minutes)" in said.out
    assert "egress from AWS S3: $10.01 a boot (aws.amazon.com/s3/pricing, 2026-11-20" in said.out
    assert "egress from a store without egress cost: $0.00 a boot" in said.out
    assert "not fetched before `videogen models pin`: wan2.2-i2v-high/fp16" in said.err
    assert (found["exact"], found["seconds"]) == (False, 889.5)


def test_lint_of_the_real_manifests(desk: Desk) -> None:
    """Both manifests are right; with a phase, what its workflows need and nobody pinned is an error."""
    real = str(project.root())
    dev = desk.models("lint", "--phase", "c", "--manifest", f"{real}/models_manifest.dev.yaml", VIDEOGEN_PROJECT=real)

    assert desk.models("lint", VIDEOGEN_PROJECT=real).code == 0
    assert (dev.code, dev.out) == (0, dev.out)
    phase_c = desk.models("lint", "--phase", "c", VIDEOGEN_PROJECT=real)
    assert phase_c.code == 2
    assert "workflows/wan22-i2v/workflow.yaml: models/0/model: model `wan2.2-i2v-high/fp16` has no size" in phase_c.err


def git(folder: Path, *words: str) -> str:
    """Git in a checkout of somebody."""
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_prune_deletes_what_no_revision_names(desk: Desk) -> None:
    """Listed first and asked for; only what the manifests of the range never named goes."""
    git(desk.folder, "init", "-q")
    for names in (("old",), ("old", "middle"), ("new",)):
        standins(desk, *names)
        git(desk.folder, "add", "-A")
        git(desk.folder, "commit", "-q", "-m", "models")
    store = desk.s3.store()
    store.put_bytes("models", model_key("f" * 64), b"nobody's")
    store.put_bytes("models", "readme.txt", b"not ours")
    keys = {name: model_key(sha256(b"".join(weights(name, 4000)))) for name in ("old", "middle", "new")}

    def there() -> set[str]:
        return {stored.key for stored in store.list("models", "")}

    asked = desk.models("prune", typed="\n")
    assert (asked.code, asked.err.splitlines()[-1]) == (0, "Delete them from models? [y/N]:nothing was deleted")
    assert model_key("f" * 64) in asked.out
    assert there() >= {*keys.values(), model_key("f" * 64)}
    first = desk.models("prune", "--yes", "--json")
    assert first.json == {"objects": [{"key": model_key("f" * 64), "bytes": 8}], "deleted": True}
    assert there() >= set(keys.values())
    # a range begins with the manifest that was there before it: that names `old` and `middle`
    second = desk.models("prune", "--yes", "--json", "--range", "HEAD~1..HEAD").json["objects"]
    assert [str(one["key"]).split("/")[0] for one in second] == ["manifests"]  # type: ignore[attr-defined]
    assert there() >= set(keys.values())
    git(desk.folder, "commit", "-q", "--allow-empty", "-m", "later")
    desk.models("prune", "--yes", "--range", "HEAD~1..HEAD")
    assert there() & {*keys.values(), "readme.txt"} == {keys["new"], "readme.txt"}


def test_prune_keeps_what_a_stack_holds(desk: Desk, tmp_path: Path) -> None:
    """The manifest that a stack's workers hold keeps its models, also when it was never committed."""
    git(desk.folder, "init", "-q")
    standins(desk, "running")
    held = manifest.digest(desk.manifest.read_text())
    standins(desk, "committed")
    git(desk.folder, "add", "-A")
    git(desk.folder, "commit", "-q", "-m", "models")
    outputs = tmp_path / "stack.json"
    keys = {"key": desk.s3.access.key.reveal(), "secret": desk.s3.access.secret.reveal()}
    outputs.write_text(json.dumps({"store": desk.s3.place.model_dump(), "storeAccess": keys, "manifest": held}))

    assert "nothing to delete" in desk.models("prune", "--outputs", str(outputs)).err
    assert len(desk.models("prune", "--json").json["objects"]) == 2  # type: ignore[arg-type]


def test_prune_of_a_bad_range(desk: Desk) -> None:
    """A range that git does not know is wrong input, and so is a folder that is no repository."""
    assert desk.models("prune").code == 2
    git(desk.folder, "init", "-q")
    standins(desk, "one")
    git(desk.folder, "add", "-A")
    git(desk.folder, "commit", "-q", "-m", "models")
    said = desk.models("prune", "--range", "v9..HEAD")

    assert (said.code, said.err.splitlines()[-1]) == (2, "hint: is --range a range of commits here?")
    assert desk.models("prune", "--range=--all").code == 2


def test_import_of_a_comfyui_folder(desk: Desk, tmp_path: Path) -> None:
    """Each new weights file becomes an entry behind the others; known ones, copies and pickles do not."""
    standins(desk, "one")
    comfyui = tmp_path / "ComfyUI/models"
    files = {
        "vae/same.safetensors": b"".join(weights("one", 4000)),
        "unet/My Model (v2).safetensors": b"mine",
        "loras/sub/動き.safetensors": b"motion",
        "loras/copy.safetensors": b"motion",
        "checkpoints/old.ckpt": b"pickle",
        "vae/put_vae_here": b"",
        "configs/x.yaml": b"",
    }
    for name, content in files.items():
        (comfyui / name).parent.mkdir(parents=True, exist_ok=True)
        (comfyui / name).write_bytes(content)
    before = desk.manifest.read_text()
    dry = desk.models("import", str(comfyui), "--dry-run")
    assert (dry.code, desk.manifest.read_text()) == (0, before)
    said = desk.models("import", str(comfyui), "--json")

    assert said.code == 0, said.err
    assert said.json["known"] == {"vae/same.safetensors": "one", "loras/sub/動き.safetensors": "copy"}
    assert said.json["left_out"] == {"checkpoints/old.ckpt": "this format can carry code; take the safetensors of it"}
    models = manifest.parse(desk.manifest.read_text(), "m").models
    assert [(m.name, m.file, m.comfy_folder, m.phases) for m in models[1:]] == [
        ("copy", "lora/copy.safetensors", "loras", ()),
        ("my-model-v2", "wan2.2/My Model (v2).safetensors", "diffusion_models", ()),
    ]
    assert desk.manifest.read_text().startswith(before.removesuffix("# The last comment.\n"))
    assert desk.models("mirror", "copy", "my-model-v2").code == 0
    assert desk.models("import", str(comfyui)).err.splitlines()[-1].startswith("0 entries written")


def test_import_of_another_folder(desk: Desk, tmp_path: Path) -> None:
    """A folder that is no ComfyUI's is wrong input."""
    said = desk.models("import", str(tmp_path))

    assert said.code == 2
    assert "is no models folder of a ComfyUI" in said.err


def test_a_stopped_mirror_ends_soon_and_keeps_its_part(desk: Desk) -> None:
    """SIGTERM in the middle of a download ends the verb with exit code 3, and what arrived stays."""
    entry, content = desk.hub_entry("large", 40 * MiB)
    desk.write(entry)
    assert desk.models("pin", "--stated").code == 0
    desk.hub.files |= {path.replace("main", COMMIT): found for path, found in desk.hub.files.items()}
    desk.hub.mood, desk.hub.limit = "slow", 4 * MiB
    command = [sys.executable, "-m", "videogen.cli", "models", "mirror"]
    process = subprocess.Popen(command, env={**os.environ, **desk.environment}, stderr=subprocess.PIPE, text=True)
    part = desk.folder / f"state/mirror/{sha256(content)}.part"
    deadline = time.monotonic() + 60
    while not part.exists() or part.stat().st_size < MiB:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.terminate()
    _, said = process.communicate(timeout=20)

    assert (process.returncode, said.splitlines()[-1]) == (3, "error: stopped by SIGTERM")
    assert part.stat().st_size >= MiB


def test_lint_tells_a_workflow_the_canonical_name(desk: Desk, tmp_path: Path) -> None:
    """A workflow that uses an alias, or a name that nobody knows, is told the right one at its line."""
    real = project.root()
    text = (real / "models_manifest.dev.yaml").read_text()
    other = tmp_path / "models.yaml"
    other.write_text(text.replace("name: scail-2\n", "name: scail-two\n    aliases: [scail-2]\n"))
    said = desk.models("lint", "--manifest", str(other), VIDEOGEN_PROJECT=str(real))

    assert said.code == 2
    assert "workflows/scail-uni3c-wan22/workflow.yaml: models/0/model: `scail-2` is an alias" in said.err
    assert "hint: write its name: `scail-two`" in said.err


def test_a_stack_has_its_manifest(desk: Desk) -> None:
    """With a stack's name its own manifest is meant, without the checkout's."""
    text = "config:\n  videogen:manifest: other.yaml\n"
    (desk.folder / "Pulumi.dev.yaml").write_text(text)
    (desk.folder / "other.yaml").write_text(desk.manifest.read_text())

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("VIDEOGEN_PROJECT", str(desk.folder))
        environment.delenv("VIDEOGEN_MANIFEST", raising=False)
        assert manifest_path(None, "dev").name == "other.yaml"
        assert manifest_path(None, None) == manifest_path(None, "unknown") == desk.manifest
        environment.setenv("VIDEOGEN_MANIFEST", "third.yaml")
        assert manifest_path(None, "dev").name == "third.yaml"


def test_a_folder_that_is_a_file(desk: Desk, tmp_path: Path) -> None:
    """Where no models folder can be, that is said, and what only reads still works."""
    standins(desk, "one")
    (tmp_path / "models").mkdir()
    (tmp_path / "models/.parts").write_text("")
    said = desk.models("list", "--folder", str(tmp_path / "models"))

    assert (said.code, "is no models folder to work in" in said.err) == (2, True)
    assert desk.models("verify", "--folder", str(tmp_path / "models")).code == 1


def test_reading_a_whole_bucket_of_aws_names_its_price_first(desk: Desk) -> None:
    """Traffic that costs money is asked for, and no is the answer where nobody agrees."""
    real = project.root()
    words = ("verify", "--phase", "a", "--read")
    said = desk.models(*words, typed="\n", VIDEOGEN_PROJECT=str(real), VIDEOGEN_STORE_ENDPOINT="", VIDEOGEN_MANIFEST="")
    size = project.read_manifest(real / "models_manifest.yaml").select("a").size
    dollars = math.ceil(size * 9 / 10**9) / 100

    assert said.code == 1
    assert said.err.startswith(f"reads {size / 1e9:.1f} GB from AWS S3: ${dollars:.2f}\nGo on? [y/N]:")
