"""The fake RunPod as a server on loopback, in a thread of whoever starts it."""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from aiohttp import web

from tests.doubles.runpod import bill
from tests.doubles.runpod.account import Account
from tests.doubles.runpod.api import Api
from tests.doubles.runpod.clock import Clock
from tests.doubles.runpod.container_box import ContainerBox
from tests.doubles.runpod.control import Control
from tests.doubles.runpod.faults import Fault
from tests.doubles.runpod.machines import Box, Machines
from tests.doubles.runpod.pod import Pod, identifier
from tests.doubles.runpod.process_box import ProcessBox, unable
from tests.doubles.runpod.proxy import LIMIT, Proxy
from videogen import port

KEY = "rpa_fake_account_key_0123456789"
DEADLINE = 10.0
PodKind = Literal["records", "processes", "containers"]
"""Nothing runs · our entrypoint runs on this machine · an image runs in Docker."""


class FakeRunpod:
    """One account behind REST v2. What a test may do with it, the docstring of the package says."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        key: str = KEY,
        number: int = 0,
        control_token: str = "",
        provisioning: float = 0.2,
        starting: float = 0.3,
        pods: PodKind = "records",
        image: str = "",
        proxy_seconds: float = LIMIT,
        world: Mapping[str, str] | None = None,
    ) -> None:
        """`pods`: what is behind them; `image`: a tag for `containers`, whatever image a pod asks for.

        `world`: variables that lead `processes` to stand-ins where a real pod would find the real thing by its name.
        """
        self.clock = clock or Clock()
        self.key, self.control_token = key, control_token or identifier(24)
        self.port = number or port.free(["runpod"])["runpod"]
        self.account = Account(self.clock, provisioning, starting)
        self.faults, self.catalog = self.account.faults, self.account.catalog
        self.machines = _machines(self.account, pods, image, world or {})
        self.api: Api | None = None
        self._proxy = Proxy(self._where, proxy_seconds)
        self._ready, self._failed = threading.Event(), ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="fake RunPod")

    @property
    def url(self) -> str:
        """For `VIDEOGEN_RUNPOD_URL`."""
        return f"http://127.0.0.1:{self.port}/v2"

    @property
    def proxy(self) -> str:
        """For `VIDEOGEN_RUNPOD_PROXY`."""
        return f"http://127.0.0.1:{self.port}/proxy/{{pod}}-{{port}}"

    @property
    def environment(self) -> dict[str, str]:
        """What whoever rents here needs."""
        return {
            "RUNPOD_API_KEY": self.key,
            "VIDEOGEN_RUNPOD_URL": self.url,
            "VIDEOGEN_RUNPOD_PROXY": self.proxy,
        }

    def start(self) -> None:
        """Returns when it listens."""
        self._thread.start()
        assert self._ready.wait(DEADLINE), "the fake RunPod does not start"
        if self.machines:
            self.machines.start()

    def stop(self) -> None:
        """Ends the server, with every pod that runs."""
        if self._loop and self.api:
            self._loop.call_soon_threadsafe(self.api.closing.set)
        self._thread.join(DEADLINE)
        if self.machines:
            self.machines.stop()
        assert not self._thread.is_alive(), "the fake RunPod does not end"

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.api = Api(self.account, self.key)
        app = web.Application(client_max_size=16 << 20)
        Control(self).add(app)
        app.router.add_route("*", "/v2/{rest:.*}", self.api.handle)
        app.router.add_route("*", "/proxy/{target}{rest:(/.*)?}", self._proxy.handle)
        await self._proxy.open()
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            self._ready.set()
            await self.api.closing.wait()
        finally:
            await runner.cleanup()
            await self._proxy.close()

    def _where(self, number: str, inner: int) -> int | None:
        """Where an HTTP port of a pod is on this machine, while the pod runs."""
        with self.account.lock:
            now = self.account.settle()
            pod = self.account.pods.get(number)
            if pod is None or pod.status(now) != "RUNNING" or inner not in pod.exposed("http"):
                return None
            return pod.public_ports.get(inner)

    # what tests do

    def fault(self, kind: str, **scope: Any) -> Fault:
        """From now on it misbehaves so; raises `ValidationError` for a word that is no kind of fault."""
        with self.account.lock:
            return self.faults.add(Fault.model_validate({"kind": kind, **scope}))

    def heal(self, fault: Fault | None = None) -> None:
        """Ends one misbehaviour, or all."""
        with self.account.lock:
            for one in [fault] if fault else list(self.faults.faults):
                self.faults.remove(one)

    def plant(
        self,
        name: str,
        env: dict[str, str] | None = None,
        gpu: str = "NVIDIA L40S",
        place: str = "EU-RO-1",
        image: str = "somebody/else:1",
    ) -> Pod:
        """A pod in the account that nobody made by the API."""
        with self.account.lock:
            return self.account.plant(name, env or {}, gpu, place, image)

    def stock(self, gpu: str, free: int, place: str | None = None) -> None:
        """So many are free from now on, in one place or in each."""
        with self.account.lock:
            stock = self.catalog.gpus[gpu].stock
            stock.update(dict.fromkeys([place] if place else list(stock), free))

    def price(self, gpu: str, secure: str, community: str | None = None) -> None:
        """What an hour costs whoever rents from now on."""
        with self.account.lock:
            found = self.catalog.gpus[gpu]
            found.secure, found.community = Decimal(secure), Decimal(community or secure)

    def balance(self, dollars: str | None) -> None:
        """What the account has; nothing: enough for everything."""
        with self.account.lock:
            self.account.balance = None if dollars is None else Decimal(dollars)

    def alive(self) -> list[Pod]:
        """Every pod that costs, planted ones too, oldest first."""
        with self.account.lock:
            return self.account.alive()

    def pod(self, name: str) -> Pod:
        """The newest pod whose name has this part, also after its end."""
        with self.account.lock:
            self.account.settle()
            return [pod for pod in self.account.pods.values() if name in pod.name][-1]

    def box(self, pod: Pod) -> Box:
        """What runs behind a pod, once it has started: `.said()`, `.kill()`, `.log`."""
        assert self.machines, "these pods are records"
        return self.machines.box(pod)

    def volume(self, number: str) -> Path:
        """Where the data of a network volume lies on this machine."""
        assert self.machines, "these pods are records"
        return self.machines.volumes / number

    def answers_at(self, pod: Pod, inner: int, outer: int) -> None:
        """The proxy finds a port of a pod at that port of loopback: any server may stand in for a record's."""
        pod.public_ports[inner] = outer

    def swept(self, seconds: float = 15.0) -> None:
        """Waits until nothing is left of ended pods on this machine: no process, no folder."""
        end = time.monotonic() + seconds
        while self.machines and (left := self.machines.left()):
            assert time.monotonic() < end, f"still there: {left}"
            time.sleep(0.02)

    def another_account(self) -> str:
        """The key of an account of its own, in which there is nothing: it sees nothing of this one."""
        assert self.api
        key = f"rpa_{identifier(24)}"
        self.api.others[key] = Api(Account(self.clock, 0.2, 0.3), key)
        return key

    def bill(self) -> bill.Bill:
        """What all pods cost until now."""
        with self.account.lock:
            return bill.bill(self.account)

    def paged(self, size: int | None) -> None:
        """Lists come in pages of so many; nothing: in one piece."""
        assert self.api
        self.api.pager.size = size

    def quota(self, **windows: int) -> None:
        """Requests for each caller in a `minute`, an `hour`, a `day`."""
        assert self.api
        self.api.quota |= windows

    @property
    def calls(self) -> list[tuple[str, str, int]]:
        """Every request so far: method, path, status (0: no answer)."""
        assert self.api
        return list(self.api.calls)


def _machines(account: Account, pods: PodKind, image: str, world: Mapping[str, str]) -> Machines | None:
    if pods == "processes":
        assert not (why := unable()), why
        return Machines(account, lambda pod, home, volumes: ProcessBox(pod, home, volumes, world), 0.05)
    if pods == "containers":
        return Machines(account, lambda pod, home, volumes: ContainerBox(pod, home, volumes, image), 0.5)
    return None


@contextmanager
def fake_runpod(**options: Any) -> Iterator[FakeRunpod]:
    """A fake RunPod while the block runs."""
    fake = FakeRunpod(**options)
    fake.start()
    try:
        yield fake
    finally:
        fake.stop()
