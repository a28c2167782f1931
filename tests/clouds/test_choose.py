"""A cloud is found by the name that a stack file gives it."""

import pytest

from videogen.clouds.choose import NAMES, choose
from videogen.clouds.local import LocalCloud
from videogen.clouds.runpod import RunpodCloud
from videogen.errors import CloudError
from videogen.stack_outputs import Store

PLACE = Store(endpoint="http://127.0.0.1:1", region="us-east-1", models="models", outputs="outputs")


def test_each_name_is_a_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cloud knows its own name; RunPod's address comes from the environment."""
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_key")
    monkeypatch.setenv("VIDEOGEN_RUNPOD_URL", "http://127.0.0.1:1/v2/")
    made = {name: choose(name, "phase-c", PLACE) for name in NAMES}

    assert isinstance(made["local"], LocalCloud)
    runpod = made["runpod"]
    assert isinstance(runpod, RunpodCloud)
    assert runpod._api.url == "http://127.0.0.1:1/v2"
    assert {name: cloud.name for name, cloud in made.items()} == {name: name for name in NAMES}


def test_without_a_key_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, or no such cloud: an error with what to do."""
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)

    with pytest.raises(CloudError, match="without a key") as caught:
        choose("runpod", "phase-c", PLACE)
    assert "RUNPOD_API_KEY" in (caught.value.hint or "")
    with pytest.raises(CloudError, match="no cloud vast"):
        choose("vast", "phase-c", PLACE)
