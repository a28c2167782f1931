"""The store that a stack file wishes for: names, keys, and what does not fit its foundation."""

import json
from typing import Any

import pytest
import yaml

from infra import configuration
from infra.settings import Settings
from infra.stack_file import StackFile
from videogen import project
from videogen.errors import InputError

KEYS = {"key": "a-key", "secret": "a-secret"}
ENCRYPTED = {"secure": "v1:abc"}
ELSEWHERE = {"endpoint": "https://s3.example.com", "region": "auto", "models": "my-models", "outputs": "my-outputs"}


def parse(decrypted: dict[str, Any] | None = None, **values: Any) -> Settings:
    """Stack `prod` with other values; `decrypted` is what Pulumi makes of what the file has encrypted."""
    said = yaml.safe_load((project.root() / "Pulumi.prod.yaml").read_text())["config"]
    said |= {f"videogen:{key}": value for key, value in values.items()}
    known = said | {f"videogen:{key}": value for key, value in (decrypted or {}).items()}
    config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in known.items()}
    return configuration.parse(StackFile(yaml.safe_dump({"config": said}), "Pulumi.prod.yaml", config))


def faults(decrypted: dict[str, Any] | None = None, **values: Any) -> list[str]:
    """What is wrong with it, without lines."""
    with pytest.raises(InputError) as caught:
        parse(decrypted, **values)
    return [str(fault).partition("videogen:")[2] for fault in caught.value.faults]


def test_names_of_buckets_carry_the_account() -> None:
    """As the file comes, nobody in the world has the same names, and nothing is to be written."""
    store = parse().store
    assert store is not None

    assert store.at("123456789012").models == "videogen-models-123456789012"
    assert store.at("123456789012").outputs == "videogen-outputs-123456789012"


def test_a_name_without_the_account_stays() -> None:
    """An existing bucket of models is named as it is called."""
    store = parse(
        store={"endpoint": "", "region": "us-east-1", "models": "m-1", "outputs": "o-1", "existingModels": True}
    )

    assert store.store is not None
    assert store.store.at("123456789012").models == "m-1"


def test_the_account_has_a_place_in_a_name() -> None:
    """A name that would be too long with the account's number is too long."""
    long = {"endpoint": "", "region": "us-east-1", "models": f"{'m' * 52}<account>", "outputs": "outputs"}

    assert faults(store=long)[0].startswith("store/models: 'mmm")


def test_keys_of_a_store_elsewhere() -> None:
    """Encrypted keys are taken, print as nothing, and workers may have their own."""
    both = {"storeAccess": KEYS, "workerAccess": {"key": "other", "secret": "s"}}
    found = parse(both, foundation="s3", store=ELSEWHERE, storeAccess=ENCRYPTED, workerAccess=ENCRYPTED)

    assert found.store_access is not None
    assert found.store_access.secret.reveal() == "a-secret"
    assert "a-secret" not in repr(found)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"foundation": "s3", "store": ELSEWHERE},
            "storeAccess: is required where foundation is s3\nhint: pulumi conf",
        ),
        (
            {"foundation": "s3", "store": ELSEWHERE | {"endpoint": ""}},
            "store/endpoint: is required where foundation is",
        ),
        (
            {"foundation": "s3", "store": ELSEWHERE | {"models": "m-<account>"}},
            "store/models: <account> means something",
        ),
        ({"foundation": "s3", "store": ELSEWHERE | {"existingModels": True}}, "store/existingModels: means something"),
        (
            {"foundation": "s3", "store": ELSEWHERE, "storeAccess": KEYS},
            "storeAccess: stands in clear, and should be a",
        ),
        ({"store": ELSEWHERE}, 'store/endpoint: should be "" where foundation is aws'),
        ({"storeAccess": KEYS}, "storeAccess: should be none: only foundation s3 brings keys of its own"),
        ({"workerAccess": KEYS}, "workerAccess: should be none: only foundation s3 brings keys of its own"),
        ({"storeAccess": {"key": "a-key"}}, "storeAccess: should be none, or a `key` and a `secret`, both texts"),
    ],
)
def test_what_does_not_fit(values: dict[str, Any], said: str) -> None:
    """Each has its key; a secret is never repeated."""
    found = faults(**values)

    assert any(fault.startswith(said) for fault in found), found
    assert "a-secret" not in "".join(found)
    assert "a-key" not in "".join(found)
