"""Gateways; what they guard is on this machine: a stand-in, or a server that echoes."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.doubles import gateway_container
from tests.doubles.docker_engine import Start
from tests.doubles.echo_server import Echo, echo_server
from tests.doubles.gateway_container import Door
from tests.doubles.standin_process import StandinProcess, standin

OpenDoor = Callable[..., Door]


@pytest.fixture(scope="package")
def opened(image: str) -> Iterator[OpenDoor]:
    """Starts a gateway as `gateway_container.opened` does; it lives until the last test of this folder."""
    doors: list[Door] = []
    with Start(image) as start:

        def open_one(*ports: int, **more: Any) -> Door:
            doors.append(gateway_container.opened(start, *ports, **more))
            return doors[-1]

        yield open_one
    for door in doors:
        door.http.close()


@pytest.fixture(scope="package")
def echo() -> Iterator[Echo]:
    with echo_server() as server:
        yield server


@pytest.fixture(scope="package")
def agent() -> Iterator[Echo]:
    with echo_server() as server:
        yield server


@pytest.fixture(scope="package")
def door(opened: OpenDoor, echo: Echo, agent: Echo) -> Door:
    """A gateway before servers that echo."""
    return opened(echo.port, agent.port, strangers_per_second=100_000)


@pytest.fixture(scope="package")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandinProcess]:
    with standin(tmp_path_factory.mktemp("comfyui")) as server:
        yield server


@pytest.fixture(scope="package")
def comfyui_door(opened: OpenDoor, comfyui: StandinProcess, agent: Echo) -> Door:
    """A gateway before a stand-in ComfyUI."""
    return opened(urlsplit(comfyui.url).port or 0, agent.port)
