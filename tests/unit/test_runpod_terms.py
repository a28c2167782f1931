"""What a stack file says of what lasts on RunPod, and what does not fit."""

from typing import Any

import pytest

from infra import configuration
from infra.runpod_terms import RegistryLogin, RunpodTerms
from infra.settings import StackSettings
from tests.unit.test_wanted_store import faults, parse
from videogen.comfyui_source import ComfyuiSource
from videogen.errors import InputError

TERMS = {
    "through": "rest",
    "volume": {"gb": 100, "place": "EU-RO-1", "type": "HIGH_PERFORMANCE"},
    "image": "ghcr.io/me/video-gen-worker:1",
    "diskGb": 120,
}
LOGIN = {"username": "me", "password": "a-token"}
ENCRYPTED = {"secure": "v1:abc"}


def test_a_foundation_may_keep_things_on_runpod() -> None:
    """The terms are a closed object, the login comes out of a secret, and prints as nothing."""
    settings = parse({"registryLogin": LOGIN}, runpodLasting=TERMS, registryLogin=ENCRYPTED)

    assert settings.runpod_lasting == RunpodTerms.model_validate(TERMS)
    assert settings.registry_login == RegistryLogin.model_validate(LOGIN)
    assert "a-token" not in repr(settings)


@pytest.mark.parametrize(
    ("values", "decrypted", "fault"),
    [
        (
            {"runpodLasting": TERMS | {"through": "provider"}},
            {},
            "runpodLasting/volume/type: the provider cannot choose it\nhint: `through: rest` can",
        ),
        (
            {"registryLogin": ENCRYPTED},
            {"registryLogin": LOGIN},
            "registryLogin: should be none where runpodLasting is none",
        ),
        (
            {"runpodLasting": TERMS, "registryLogin": LOGIN},
            {},
            "registryLogin: stands in clear, and should be a secret of Pulumi; make a new password\nhint: pulumi config "
            'set --secret videogen:registryLogin < FILE, which says {"username": "…", "password": "…"}',
        ),
        (
            {"runpodLasting": TERMS, "registryLogin": ENCRYPTED},
            {"registryLogin": {"username": "me", "pasword": "a-token"}},
            "registryLogin: should be none, or a `username` and a `password`, both texts",
        ),
        (
            {"runpodLasting": TERMS | {"volume": {"gb": 5, "place": "EU-RO-1"}}},
            {},
            "runpodLasting/volume/gb: should be greater than or equal to 10, got 5",
        ),
    ],
)
def test_what_does_not_fit(values: dict[str, Any], decrypted: dict[str, Any], fault: str) -> None:
    """One fault with its key and, where there is one, its cure; a login is in none."""
    assert faults(decrypted, **values) == [fault]


def test_what_lasts_needs_a_key() -> None:
    """It is asked for before anything is declared, with where it comes from."""
    stack = StackSettings("prod", parse(runpodLasting=TERMS), ComfyuiSource(), "")
    with pytest.raises(InputError, match="RUNPOD_API_KEY: is missing"):
        configuration.require_possible(stack, {})
    configuration.require_possible(stack, {"RUNPOD_API_KEY": "a-key"})
