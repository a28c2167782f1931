import base64
from dataclasses import replace
from pathlib import Path

import pytest

from videogen import ssh_server
from videogen.errors import InputError
from videogen.ssh_server import SshSettings


def _key(kind: str, *fields: bytes) -> str:
    blob = b"".join(len(field).to_bytes(4, "big") + field for field in (kind.encode(), *fields))
    return f"{kind} {base64.b64encode(blob).decode()}"


GOOD = _key("ssh-ed25519", b"k" * 32)
SETTINGS = SshSettings(2222, 8188, 8189, f"# mine\n\n{GOOD} me@here\n", Path("/run/videogen/ssh"))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "is a private key"),
        ("ssh-dss AAAA", "should start with a kind of key"),
        (f'command="id" {GOOD}', "should start with a kind of key"),
        ("ssh-ed25519", "is cut off, or no ssh-ed25519 key"),
        ("ssh-ed25519 not!base64", "its second word is no base64"),
        (GOOD[:-8], "is cut off, or no ssh-ed25519 key"),
        (GOOD.replace("ssh-ed25519", "ssh-rsa"), "is cut off, or no ssh-rsa key"),
        (_key("ssh-rsa", b"\1\0\1", b"\0" + b"n" * 128), "is an RSA key of fewer than 2048 bits"),
        (f"{GOOD} a\x07b", "holds a character that no key has"),
    ],
)
def test_malformed_key(line: str, fault: str) -> None:
    """A line that is no public key is refused by its number, and not quoted."""
    with pytest.raises(InputError) as error:
        replace(SETTINGS, public_keys=f"{GOOD}\n\n{line}")

    assert str(error.value).startswith("environment: VIDEOGEN_SSH_PUBLIC_KEYS:3: ")
    assert fault in str(error.value)
    assert line not in str(error.value).replace(fault, "")


def test_all_faults_at_once() -> None:
    """Every bad line and the port are told at once."""
    with pytest.raises(InputError) as error:
        replace(SETTINGS, public_keys="x\ny", port=0)

    assert len(error.value.faults) == 3


def test_no_key() -> None:
    """A list without a key is refused: nobody could log in."""
    with pytest.raises(InputError, match="holds no key"):
        replace(SETTINGS, public_keys="# none\n")


@pytest.mark.parametrize(
    "key",
    [GOOD, _key("ssh-rsa", b"\1\0\1", b"\0" + b"n" * 256), _key("sk-ssh-ed25519@openssh.com", b"k" * 32, b"ssh:")],
)
def test_good_keys(key: str) -> None:
    """Usual kinds of key are taken as they are, without comments and empty lines."""
    texts = ssh_server.files(replace(SETTINGS, public_keys=f"# one\n{key}\n"))

    assert f"{key}\n" == texts[Path("/run/videogen/ssh/authorized_keys")]


def test_tunnels() -> None:
    """A tunnel may lead to ComfyUI's and the agent's port of loopback."""
    text = ssh_server.files(SETTINGS)[SETTINGS.configuration]

    assert "PermitOpen 127.0.0.1:8188 localhost:8188 127.0.0.1:8189 localhost:8189\n" in text
