"""The client against a stand-in, over connections that break where it hurts."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.doubles.standin_process import StandinProcess, standin
from videogen.comfy import Comfy, Place, RemoteFile
from videogen.errors import WorkerLost, WorkerRefused
from videogen.secret import Secret

pytestmark = pytest.mark.timeout(30)

FILES = {"images": ["1", 0], "filename_prefix": "t/img"}
GRAPH: dict[str, dict[str, Any]] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 2, "color": 41768}},
    "2": {"class_type": "SaveImage", "inputs": FILES},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandinProcess]:
    """One stand-in for all tests here."""
    with standin(tmp_path_factory.mktemp("standin")) as process:
        yield process


def _with(url: str, use: Callable[[Comfy], Awaitable[Any]], transport: httpx.AsyncBaseTransport | None = None) -> Any:
    async def whole() -> Any:
        async with Comfy(url, Secret("t"), transport, patience_seconds=1.0) as comfy:
            return await use(comfy)

    return asyncio.run(whole())


async def _sent(graph: dict[str, Any], comfy: Comfy) -> None:
    await comfy.submit(graph, "client", str(uuid.uuid4()))


class _Shaky(httpx.AsyncBaseTransport):
    """A real connection that breaks once in the answer to `path`, after `after` bytes of the body."""

    def __init__(self, path: str, after: int) -> None:
        self._inner = httpx.AsyncHTTPTransport()
        self._path, self._after = path, after
        self.ranges: list[str | None] = []
        self.asked: list[str] = []
        self._broken = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        self.ranges.append(request.headers.get("range"))
        answer = await self._inner.handle_async_request(request)
        if request.url.path != self._path or self._broken:
            return answer
        self._broken = True
        if self._after == 0:
            await answer.aclose()
            raise httpx.ReadError("the connection broke")
        return httpx.Response(answer.status_code, headers=answer.headers, stream=_Cut(answer, self._after))

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Cut(httpx.AsyncByteStream):
    def __init__(self, answer: httpx.Response, after: int) -> None:
        self._answer, self._after = answer, after

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._answer.stream, httpx.AsyncByteStream)
        async for chunk in self._answer.stream:
            yield chunk[: self._after]
            raise httpx.ReadError("the connection broke")

    async def aclose(self) -> None:
        await self._answer.aclose()


async def _ended(comfy: Comfy, prompt_id: str) -> Any:
    for _ in range(200):
        if (entry := await comfy.history(prompt_id)) is not None:
            return entry
        await asyncio.sleep(0.02)
    raise AssertionError("the prompt did not end")


def test_a_prompt_goes_its_way(server: StandinProcess, tmp_path: Path) -> None:
    """Sent under an id of ours, found in the history, its files come down with size and hash."""
    prompt_id = str(uuid.uuid4())

    async def use(comfy: Comfy) -> Any:
        assert await comfy.place(prompt_id) is Place.UNKNOWN
        await comfy.submit(GRAPH, "client", prompt_id)
        entry = await _ended(comfy, prompt_id)
        got = [await comfy.download(file, tmp_path / file.filename) for file in entry.files]
        return entry, got, await comfy.place(prompt_id)

    entry, got, place = _with(server.url, use)
    assert place is Place.ENDED
    assert entry.succeeded
    assert [file.node for file in entry.files] == ["2", "2"]
    assert [one.size for one in got] == [(tmp_path / file.filename).stat().st_size for file in entry.files]
    assert entry.render_seconds >= 0


def test_an_upload_happens_once_and_replaces_what_broke_off(server: StandinProcess, tmp_path: Path) -> None:
    """An equal file is not sent again; half a file under the same name is replaced."""
    path = tmp_path / "x.png"
    path.write_bytes(b"whole picture")

    async def use(comfy: Comfy) -> list[bool]:
        first = await comfy.upload("abc.png", path)
        second = await comfy.upload("abc.png", path)
        (server.base / "input" / "abc.png").write_bytes(b"who")
        return [first, second, await comfy.upload("abc.png", path)]

    assert _with(server.url, use) == [True, False, True]
    assert (server.base / "input" / "abc.png").read_bytes() == b"whole picture"
    assert not list((server.base / "input").glob("abc (*"))


def test_a_download_goes_on_where_it_broke(server: StandinProcess, tmp_path: Path) -> None:
    """After a break only the rest is asked for, and the whole is right."""
    data = bytes(range(256)) * 400
    (server.base / "output").mkdir(exist_ok=True)
    (server.base / "output" / "long.bin").write_bytes(data)
    shaky = _Shaky("/view", after=1000)

    got = _with(
        server.url, lambda comfy: comfy.download(RemoteFile("1", "long.bin", "", "output"), tmp_path / "l"), shaky
    )
    assert (tmp_path / "l").read_bytes() == data
    assert got.size == len(data)
    assert shaky.ranges == [None, "bytes=1000-"]


def test_a_prompt_whose_answer_got_lost_is_not_sent_twice(server: StandinProcess) -> None:
    """The connection breaks after the server took the prompt: it is asked, and knows it."""
    shaky, prompt_id = _Shaky("/prompt", after=0), str(uuid.uuid4())
    before = server.stats()["prompts"]

    async def use(comfy: Comfy) -> None:
        await comfy.submit(GRAPH, "client", prompt_id)
        await _ended(comfy, prompt_id)

    _with(server.url, use, shaky)
    assert server.stats()["prompts"] == before + 1
    assert shaky.asked.count("POST /prompt") == 1


def test_a_refused_prompt_brings_the_servers_words(server: StandinProcess) -> None:
    """HTTP 400 is an error with the body; a graph of which only a part would run is one too, and does not stay."""
    broken = {"class_type": "SaveImage", "inputs": {"images": ["1", 7], "filename_prefix": "x"}}

    for graph, status in (({"2": broken, "1": GRAPH["1"]}, 400), ({**GRAPH, "3": broken}, 200)):
        with pytest.raises(WorkerRefused) as refused:
            _with(server.url, partial(_sent, graph))
        assert refused.value.status == status
        assert isinstance(refused.value.body, dict)
        assert refused.value.body["node_errors"]


def test_a_missing_file_is_refused_and_a_missing_server_is_lost(server: StandinProcess, tmp_path: Path) -> None:
    """404 is an answer; no answer within the patience is a loss, and no message shows the token."""
    absent = RemoteFile("1", "absent.mp4", "", "output")
    with pytest.raises(WorkerRefused, match=r"/view of absent\.mp4: HTTP 404"):
        _with(server.url, lambda comfy: comfy.download(absent, tmp_path / "a"))
    with pytest.raises(WorkerLost, match=r"http://127\.0\.0\.1:9: does not answer") as lost:
        _with("http://127.0.0.1:9", lambda comfy: comfy.queue())
    assert "Bearer" not in repr(lost.value.args)


def test_events_come_again_after_a_silent_socket(tmp_path: Path) -> None:
    """A socket without the greeting is given up and opened again until the server speaks."""

    async def use(comfy: Comfy, process: StandinProcess) -> tuple[bool, bool]:
        process.faults({"name": "silent"})
        async with comfy.events("me", first_word_seconds=0.2) as events:
            before = await events.opened(0.5)
            process.faults()
            return before, await events.opened(5)

    with standin(tmp_path) as process:
        assert _with(process.url, lambda comfy: use(comfy, process)) == (False, True)


def test_a_worker_that_leaves_is_lost_at_once() -> None:
    """A gateway that says that its worker is leaving is not asked again; one that says only 503 is."""
    asked = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(503, text="busy") if asked < 3 else httpx.Response(503, json={"leaving": True})

    with pytest.raises(WorkerLost, match="is leaving and takes no more jobs"):
        _with("http://127.0.0.1:9", partial(_sent, GRAPH), httpx.MockTransport(answer))

    assert asked == 3
