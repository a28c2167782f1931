"""The double of a forward proxy passes requests on, tunnels, resolves its names, and wants its password."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import urllib3

from tests.doubles.forward_proxy import ForwardProxy


class _Echo(BaseHTTPRequestHandler):
    """Says what it was asked, and by which headers."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        said = f"{self.path} {self.headers['Host']} {self.headers['Proxy-Authorization']} ".encode() + body
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)


@contextmanager
def echo() -> Iterator[int]:
    """The port of a server."""
    with HTTPServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(10)


def test_whole_addresses() -> None:
    """The server sees a path and the name it was asked by, with a body, and nothing of the proxy's password."""
    body = b"x" * 100_000
    with (
        echo() as port,
        ForwardProxy({"shop.test": port}, access="me:secret") as proxy,
        urllib3.ProxyManager(proxy.url, proxy_headers=urllib3.make_headers(proxy_basic_auth="me:secret")) as pool,
    ):
        answer = pool.request("POST", "http://a.shop.test/b?c=d", body=body, retries=False)

    assert answer.data == b"/b?c=d a.shop.test None " + body
    assert proxy.asked == ["POST http://a.shop.test/b?c=d HTTP/1.1"]


@pytest.mark.parametrize(("url", "status"), [("http://other.test/", 502), ("http://shop.test/", 407)])
def test_refusals(url: str, status: int) -> None:
    """A name that it does not know, and a client without the password, are refused."""
    access = "me:secret" if status == 407 else ""
    with (
        ForwardProxy({"shop.test": 9}, access) as proxy,
        urllib3.ProxyManager(proxy.url.replace("me:secret@", "")) as pool,
    ):
        assert pool.request("GET", url, retries=False).status == status
    assert proxy.asked == []
