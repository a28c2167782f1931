"""A foundation in any S3: nothing is declared, no plugin is started, keys are secrets from the first word on."""

import json
import subprocess

import pytest

from tests.infra.conftest import Checkout
from videogen.stack_outputs import StoreOutputs

STORE = '{endpoint: "https://s3.example.com", region: auto, models: my-models, outputs: my-outputs}'
KEYS = {"key": "0123456789ab", "secret": "ba9876543210"}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose `prod` has its store elsewhere; no plugin for AWS is in reach."""
    made = Checkout(tmp_path_factory.mktemp("s3"))
    made.set("prod", "foundation", "s3")
    made.set("prod", "store", STORE)
    made.init("prod")
    subprocess.run(
        ["pulumi", "config", "set", "--secret", "videogen:storeAccess", "--stack", "prod", "--non-interactive"],
        cwd=made.folder,
        env=made.environment,
        input=json.dumps(KEYS),
        text=True,
        check=True,
        timeout=60,
    )
    return made


def test_up_exports_what_the_file_says(elsewhere: Checkout) -> None:
    """`up` makes nothing and needs nothing; workers without keys of their own have the same."""
    done = elsewhere.pulumi("up", "--yes", "--skip-preview", stack="prod")
    said = elsewhere.pulumi("stack", "output", "--json", "--show-secrets", "--stack", "prod").stdout
    found = StoreOutputs.model_validate_json(said)

    assert done.returncode == 0, done.stdout
    assert "aws" not in done.stdout
    assert (found.store.endpoint, found.store.models) == ("https://s3.example.com", "my-models")
    assert found.store_access.secret.reveal() == KEYS["secret"]
    assert json.loads(said)["workerAccess"] == KEYS


def test_the_keys_are_nowhere_in_clear(elsewhere: Checkout) -> None:
    """Not in the stack file, the state, or what is shown."""
    shown = elsewhere.pulumi("stack", "output", "--json", "--stack", "prod").stdout
    places = [*elsewhere.backend.rglob("*"), elsewhere.folder / "Pulumi.prod.yaml"]
    texts = [shown, *(path.read_text() for path in places if path.is_file())]

    assert not [text for text in texts for half in KEYS.values() if half in text]
