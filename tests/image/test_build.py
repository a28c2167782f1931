"""The image, as asked from a container of it."""

import pytest

from tests.image.conftest import Container, Start


@pytest.fixture(scope="module")
def box(shared_container: Start) -> Container:
    """A container that only waits."""
    return shared_container("sleep", "600")


def test_users(box: Container) -> None:
    """`comfy` is 1000 and can log in with a key only; `gateway` cannot log in at all."""
    comfy, gateway = box.host.user("comfy"), box.host.user("gateway")

    assert (comfy.uid, comfy.shell, comfy.home, comfy.password) == (1000, "/bin/bash", "/home/comfy", "*")
    assert gateway.shell == "/usr/sbin/nologin"
    assert gateway.uid < 1000
    assert box.host.file("/workspace").user == "comfy"
