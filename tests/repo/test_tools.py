"""The tool chain in tools/: which Pulumi is used, what the environment promises, that stack files stay as committed.

The scripts run for real, in a small checkout of their own. Go and Pulumi are small programs that do what is told below.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ORDINARY = [
    "awk",
    "basename",
    "bash",
    "cat",
    "chmod",
    "cmp",
    "cp",
    "dirname",
    "env",
    "grep",
    "install",
    "ln",
    "mkdir",
    "mktemp",
    "mv",
    "od",
    "rm",
    "sleep",
    "tail",
    "tr",
    "true",
]
STACK_FILE = "config:\n\n    video-gen:workers:   2   # in nobody's normal form\n"

# Rewrites the stack file that it is given, as Pulumi does, and says how it was called.
PULUMI = """#!/usr/bin/env bash
echo "own pulumi: $*"
file=Pulumi.dev.yaml
for word in "$@"; do case $word in --config-file=*) file=${word#*=} ;; esac; done
echo "config: {}" >"$file"
echo "encryptionsalt: v1:c2FsdA==:v1:x:y" >>"$file"
"""

# `go build` compiles one package and writes its output; `go list -m -f` says where the sdk module is.
GO = """#!/usr/bin/env bash
case $1 in
  list) [ -z "${GO_TOO_OLD:-}" ] || exit 1; echo "$SDK" ;;
  build)
    echo some/package >&2
    while [ "$1" != -o ]; do shift; done
    echo half >"$2" && chmod 755 "$2"
    [ -z "${GO_FAILS:-}" ] || { echo "some/package: disk is full" >&2; exit 1; }
    ;;
esac
"""


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def run(*argv: str | Path, cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=cwd, env=env, text=True, capture_output=True, timeout=30, check=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "a checkout"
    shutil.copytree(ROOT / "tools", root / "tools")
    (root / "Pulumi.yaml").write_text("name: video-gen\nruntime: python\n")
    (root / "Pulumi.dev.yaml").write_text(STACK_FILE)
    return root


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with the ordinary programs: no Pulumi, no Go."""
    for name in ORDINARY:
        found = shutil.which(name)
        assert found, name
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).symlink_to(found)
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}


@pytest.fixture
def with_go(tmp_path: Path, bare: dict[str, str]) -> dict[str, str]:
    sdk = tmp_path / "sdk"
    program(sdk / "python/cmd/pulumi-language-python-exec", "")
    program(sdk / "python/dist/pulumi-resource-pulumi-python", "")
    program(tmp_path / "go/go", GO)
    return bare | {"PATH": f"{tmp_path / 'go'}:{bare['PATH']}", "SDK": str(sdk)}


def with_own_pulumi(env: dict[str, str], tmp_path: Path) -> dict[str, str]:
    program(tmp_path / "own/pulumi", PULUMI)
    return env | {"PATH": f"{tmp_path / 'own'}:{env['PATH']}"}


def sourced(shell: str, env_sh: Path, env: Mapping[str, str], cwd: Path, times: int = 1) -> dict[str, str]:
    """The environment after `source env.sh`, in a shell that stops at each fault."""
    script = 'n=0; while [ $n -lt "$2" ]; do source "$1"; n=$((n + 1)); done; env -0'
    done = run(str(shutil.which(shell)), "-euc", script, shell, env_sh, str(times), cwd=cwd, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    return dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry)


def test_one_version_of_pulumi_is_pinned_everywhere() -> None:
    """The CLI that Go builds, its SDK module and the Python package are the same version, with checksums."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    [python] = [line.removeprefix("pulumi==") for line in wanted if line.startswith("pulumi==")]
    pinned = re.findall(r"github\.com/pulumi/pulumi/(?:pkg|sdk)/v3 v(\S+)", (ROOT / "tools/pulumi/go.mod").read_text())
    assert pinned == [python, python]
    assert f"github.com/pulumi/pulumi/pkg/v3 v{python} h1:" in (ROOT / "tools/pulumi/go.sum").read_text()


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_env_gives_this_checkout_a_private_state(shell: str, checkout: Path, bare: dict[str, str]) -> None:
    """State, home and passphrase lie in the checkout, closed to others, whatever folder and shell one is in."""
    if not shutil.which(shell):
        pytest.skip(f"no {shell} on this machine")
    env = sourced(shell, checkout / "tools/env.sh", bare, cwd=Path("/"))
    private = checkout / ".videogen"
    assert env["PATH"] == f"{checkout}/.venv/bin:{checkout}/tools/bin:{checkout}/.tools/bin:{bare['PATH']}"
    assert {key: value for key, value in env.items() if key.startswith("PULUMI_")} == {
        "PULUMI_BACKEND_URL": f"file://{private}/pulumi",
        "PULUMI_CONFIG_PASSPHRASE_FILE": f"{private}/passphrase",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "PULUMI_HOME": f"{private}/pulumi-home",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    modes = {path.name: path.stat().st_mode & 0o777 for path in private.iterdir()}
    assert modes == {"pulumi": 0o700, "pulumi-home": 0o700, "passphrase": 0o600}
    assert re.fullmatch("[0-9a-f]{64}", (private / "passphrase").read_text())


def test_env_read_again_changes_nothing(checkout: Path, bare: dict[str, str]) -> None:
    """Reading it three times gives the environment and the passphrase of the first time."""
    once = sourced("bash", checkout / "tools/env.sh", bare, cwd=checkout)
    passphrase = (checkout / ".videogen/passphrase").read_text()
    assert sourced("bash", checkout / "tools/env.sh", bare, cwd=checkout, times=3) == once
    assert (checkout / ".videogen/passphrase").read_text() == passphrase


def test_env_keeps_what_the_user_has_set(checkout: Path, bare: dict[str, str], tmp_path: Path) -> None:
    """A state of the user's own is used, and never encrypted with a passphrase that only this checkout knows."""
    own = {"PULUMI_BACKEND_URL": "s3://team", "PULUMI_HOME": str(tmp_path / "home")}
    env = sourced("bash", checkout / "tools/env.sh", bare | own, cwd=checkout)
    assert env.items() >= own.items()
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in env
    env = sourced("bash", checkout / "tools/env.sh", bare | {"PULUMI_CONFIG_PASSPHRASE": ""}, cwd=checkout)
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in env
    assert not (checkout / ".videogen/passphrase").exists()


def test_env_of_another_checkout_is_replaced(checkout: Path, bare: dict[str, str], tmp_path: Path) -> None:
    """In a shell that worked on one checkout, a second one gets its own state, not the first one's."""
    second = tmp_path / "second"
    shutil.copytree(checkout, second)
    alone = sourced("bash", second / "tools/env.sh", bare, cwd=second)
    first = sourced("bash", checkout / "tools/env.sh", bare, cwd=checkout)
    after_first = sourced("bash", second / "tools/env.sh", first, cwd=second)
    for volatile in ("SHLVL", "_", "OLDPWD", "PWD"):
        alone.pop(volatile, None), after_first.pop(volatile, None)
    assert after_first == alone


def test_own_pulumi_wins(checkout: Path, with_go: dict[str, str], tmp_path: Path) -> None:
    """With a `pulumi` on PATH nothing is built, and that one is started."""
    env = with_own_pulumi(with_go, tmp_path)
    done = run("tools/build_pulumi.sh", cwd=checkout, env=env)
    assert (done.returncode, done.stdout) == (0, f"pulumi: your own, {tmp_path}/own/pulumi\n")
    assert not (checkout / ".tools").exists()
    program(checkout / ".tools/bin/pulumi", "#!/bin/sh\necho built one\n")
    assert run("tools/bin/pulumi", "version", cwd=checkout, env=env).stdout == "own pulumi: version\n"


@pytest.mark.parametrize("go", ["none", "too old"])
def test_without_pulumi_and_go_one_line_says_what_to_install(
    go: str, checkout: Path, bare: dict[str, str], with_go: dict[str, str]
) -> None:
    """Neither Pulumi nor a Go that is new enough: bad input, one line, nothing left behind."""
    env = bare if go == "none" else with_go | {"GO_TOO_OLD": "1"}
    done = run("tools/build_pulumi.sh", cwd=checkout, env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: no pulumi here, and no Go 1\.\d+\.\d+ or newer .*install.*\n", done.stderr)
    assert not (checkout / ".tools").exists()


def test_build_that_failed_is_not_taken_for_done(checkout: Path, with_go: dict[str, str]) -> None:
    """A failed build shows Go's own words and leaves no tool; the next build is whole, the one after does nothing."""
    done = run("tools/build_pulumi.sh", cwd=checkout, env=with_go | {"GO_FAILS": "1"})
    assert done.returncode == 1
    assert "some/package: disk is full\nerror: pulumi v3." in done.stderr
    assert list((checkout / ".tools").iterdir()) == []

    assert run("tools/build_pulumi.sh", cwd=checkout, env=with_go).returncode == 0
    names = {path.name for path in (checkout / ".tools/bin").iterdir() if os.access(path, os.X_OK)}
    assert names >= {"pulumi", "pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python"}

    broken = with_go | {"GO_FAILS": "1"}
    assert run("tools/build_pulumi.sh", cwd=checkout, env=broken).stdout == "pulumi: built, .tools/bin/pulumi\n"
    with (checkout / "tools/pulumi/go.sum").open("a") as sums:
        sums.write("a new pin\n")
    assert run("tools/build_pulumi.sh", cwd=checkout, env=broken).returncode == 1


@pytest.mark.parametrize(
    "words",
    ["up --stack dev", "destroy -s dev --yes", "--color never refresh --stack=dev", "stack init dev"],
)
def test_stack_file_stays_as_committed(words: str, checkout: Path, bare: dict[str, str], tmp_path: Path) -> None:
    """Pulumi, which rewrites the stack file that it is given, never gets the committed one."""
    done = run("tools/bin/pulumi", *words.split(), cwd=checkout, env=with_own_pulumi(bare, tmp_path))
    assert done.returncode == 0
    assert words in done.stdout
    assert (checkout / "Pulumi.dev.yaml").read_text() == STACK_FILE


@pytest.mark.parametrize("words", ["config set workers 3", "up --config-file=Pulumi.dev.yaml"])
def test_stack_file_is_written_where_that_is_asked_for(
    words: str, checkout: Path, bare: dict[str, str], tmp_path: Path
) -> None:
    """`pulumi config` and a file named by the user go to Pulumi as they were typed."""
    done = run("tools/bin/pulumi", *words.split(), cwd=checkout, env=with_own_pulumi(bare, tmp_path))
    assert done.stdout == f"own pulumi: {words}\n"
    assert (checkout / "Pulumi.dev.yaml").read_text() != STACK_FILE


def test_real_pulumi_leaves_the_stack_file_and_keeps_the_secret(checkout: Path) -> None:
    """The real engine brings a stack up twice: the file keeps its bytes, the state has the secret only encrypted."""
    own = shutil.which("pulumi")
    if (ROOT / ".tools/bin").exists():
        (checkout / ".tools").symlink_to(ROOT / ".tools")
    elif not own:
        pytest.skip("no pulumi yet: `make setup`")
    (checkout / ".venv").symlink_to(ROOT / ".venv")
    (checkout / "__main__.py").write_text('import pulumi\npulumi.export("word", pulumi.Output.secret("hush-hush"))\n')
    env = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
    assert run("tools/init_stack.sh", cwd=checkout, env=env).stdout.endswith("made stack dev\n")
    assert run("tools/init_stack.sh", cwd=checkout, env=env).stdout == ""
    for _ in range(2):
        up = run("tools/bin/pulumi", "up", "--stack", "dev", "--yes", "--skip-preview", cwd=checkout, env=env)
        assert up.returncode == 0, up.stdout + up.stderr
    assert (checkout / "Pulumi.dev.yaml").read_text() == STACK_FILE
    shown = run("tools/bin/pulumi", "stack", "output", "word", "--show-secrets", "-s", "dev", cwd=checkout, env=env)
    assert shown.stdout == "hush-hush\n"
    state = b"".join(path.read_bytes() for path in (checkout / ".videogen").rglob("*.json"))
    assert b"hush-hush" not in state
