"""A cancel is heard while a store is filled."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.provider.engine import Call
from infra.provider.local_store import Handler
from videogen import project
from videogen.errors import Interrupted
from videogen.local_store import LocalStore

BUCKETS = {"endpoint": "", "region": "us-east-1", "models": "some-models", "outputs": "some-outputs"}
INPUTS = {"stack": "dev", "manifest": "0" * 64, "file": "models_manifest.dev.yaml", "wanted": BUCKETS}


def test_a_cancel_ends_the_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a model, and when the store has them all and is only asked, the request ends."""
    monkeypatch.setenv("VIDEOGEN_STATE", str(tmp_path))
    handler, said = Handler(), list[str]()

    def call(hear: Callable[[threading.Event], None]) -> Call:
        cancelled = threading.Event()

        def say(words: str) -> None:
            said.append(words)
            hear(cancelled)

        return Call(say, said.append, cancelled, lambda _name, _undo: None)

    try:
        with pytest.raises(Interrupted):
            handler.create(INPUTS, call(threading.Event.set))
        assert said
        assert not list((tmp_path / "dev" / "store").rglob("manifests/*"))
        _, outputs = handler.create(INPUTS, call(lambda _: None))
        late = call(lambda _: None)
        late.cancelled.set()
        with pytest.raises(Interrupted):
            handler.update(INPUTS | outputs, INPUTS, late)
    finally:
        LocalStore(project.state("dev")).end()
