"""`videogen run` on stack `dev` with the real Pulumi: everything on this machine, from nothing to nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import ROOT, Checkout, soon

BATCH = ROOT / "batches" / "demo-short.yaml"


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout whose stack `dev` has one worker."""
    made = Checkout(tmp_path_factory.mktemp("run"))
    shutil.copytree(ROOT / "batches", made.folder / "batches")
    made.set("dev", "workers", "1")
    made.init("dev")
    yield made
    made.clear()


def start(dev: Checkout, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "videogen.cli", "run", str(BATCH), "--stack", "dev", "--json", *words],
        cwd=dev.folder,
        env=dev.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(running: "subprocess.Popen[str]") -> tuple[int, dict[str, Any], str]:
    out, err = running.communicate(timeout=100)
    return running.returncode, json.loads(out), err


def test_a_signal_while_a_worker_boots(dev: Checkout) -> None:
    """SIGTERM during `pulumi up`: exit code 3, the worker is ended with a receipt, the stack is empty."""
    running = start(dev)
    assert soon(lambda: dev.living("worker"), 60)
    (worker,) = dev.living("worker")
    os.kill(running.pid, signal.SIGTERM)
    code, said, err = ended(running)

    assert code == 3, err
    assert "stopped by SIGTERM" in said["error"]
    assert (dev.living("worker"), dev.living("store")) == ([], [])
    assert (dev.state / "dev" / "receipts" / f"{worker.name}.json").is_file()
    assert "resources" not in json.loads(dev.pulumi("stack", "export", "--stack", "dev").stdout)["deployment"]


def test_the_whole_way(dev: Checkout) -> None:
    """Up, two videos, destroy: the receipts name the run; what is done is not rented for again."""
    code, said, err = ended(start(dev))

    assert code == 0, err
    assert (said["done"], said["failed"], said["unproven"]) == (2, 0, None)
    assert (dev.living("worker"), dev.living("store")) == ([], [])
    assert [(one["run"], one["batch"]) for one in said["receipts"]] == [(said["run"], "demo-short")]
    assert float(said["video_seconds"]) > 0
    assert len(list((Path(dev.folder) / "outputs" / "demo-short").glob("*.mp4"))) == 2
    assert "worker-1: created" in err
    assert "no bill" in err
    again, said, err = ended(start(dev))

    assert again == 0, err
    assert (said["done"], said["receipts"]) == (2, [])
    assert "$ pulumi up" not in err
