"""The ways to a store that a cloud has and loopback has not: TLS, names of buckets as hosts, a company's proxy."""

import hashlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.forward_proxy import ForwardProxy
from tests.doubles.s3_server import S3Server
from videogen.errors import InputError, StoreError, StoreUnreachable
from videogen.store import Store
from videogen.store_upload import PART

BODY = hashlib.shake_128(b"body").digest(PART + 12345)
NAMES = "subjectAltName=IP:127.0.0.1,DNS:store.test,DNS:*.store.test"


def certificate(folder: Path, names: str = NAMES) -> tuple[str, str]:
    """A certificate that nobody signed but itself, and its key."""
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    more = ["-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=store", "-addext", names]
    subprocess.run([*new, *more], check=True, capture_output=True)
    return cert, key


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A server that speaks TLS and knows buckets by path, believed."""
    cert, key = certificate(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", cert)
    with _served(tmp_path, "--cert", cert, "--key", key) as server:
        yield server


def _served(folder: Path, *flags: str) -> S3Server:
    (folder / "s3").mkdir()
    return S3Server(folder / "s3", *flags)


def reached(server: S3Server, endpoint: str, addressing: str = "path", patience: float = 5.0) -> Store:
    """A client that knows the server by that address."""
    return Store(
        server.place.model_copy(update={"endpoint": endpoint, "addressing": addressing}),
        server.access,
        patience_seconds=patience,
    )


def assert_works(store: Store, tmp_path: Path) -> None:
    """What is put in parts is there, comes back whole and in ranges, and is listed and removed."""
    (tmp_path / "body").write_bytes(BODY)
    store.ensure_buckets()
    key = "a/b c+é.bin"
    stored = store.put_file("models", key, tmp_path / "body")
    store.get_file("models", key, tmp_path / "back")

    assert (tmp_path / "back").read_bytes() == BODY
    assert store.head("models", key) == stored
    assert b"".join(store.read("models", key, 7, 100)) == store.get_bytes("models", key)[7:107] == BODY[7:107]
    assert [each.key for each in store.list("models", "a/")] == [key]
    store.delete("models", key)
    assert store.head("models", key) is None


def test_tls(tls: S3Server, tmp_path: Path) -> None:
    """A store with a certificate that AWS_CA_BUNDLE names is used as any other."""
    assert_works(reached(tls, f"https://127.0.0.1:{tls.port}"), tmp_path)


@pytest.mark.parametrize("wrong", ["unknown", "another name"])
def test_a_certificate_that_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """A certificate that nobody knows, or of another name, is one error at once, whoever of the two clients asks."""
    cert, key = certificate(tmp_path, "subjectAltName=DNS:elsewhere.test" if wrong == "another name" else NAMES)
    if wrong == "unknown":
        monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    else:
        monkeypatch.setenv("AWS_CA_BUNDLE", cert)
    with _served(tmp_path, "--cert", cert, "--key", key) as server:
        store = reached(server, f"https://127.0.0.1:{server.port}", patience=20)
        began = time.monotonic()
        for ask in (
            lambda: store.head("models", "x"),
            lambda: next(store.read("models", "x", 0, 1)),
            lambda: store.get_bytes("models", "x"),
        ):
            with pytest.raises(StoreUnreachable, match="its certificate cannot be believed") as caught:
                ask()
            assert "AWS_CA_BUNDLE" in (caught.value.hint or "")

    assert time.monotonic() - began < 5


def test_a_bundle_that_is_not_there(tls: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of certificates that cannot be read is the user's to mend, and named."""
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such.pem")
    with pytest.raises(InputError, match=r"environment: AWS_CA_BUNDLE: /no/such\.pem is no file of certificates"):
        reached(tls, f"https://127.0.0.1:{tls.port}")


def test_plain_http_through_a_proxy(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that only the proxy knows is reached through it, with the password of the proxy's address."""
    with ForwardProxy({"store.test": s3.port}, access="me:p@ss") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("p@ss", "p%40ss"))
        assert_works(reached(s3, "http://store.test"), tmp_path)

    assert any(line.startswith("GET http://store.test/models/a/b") for line in proxy.asked)


def test_tls_through_a_proxy_with_buckets_as_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As AWS is from a company: each bucket is a host, in a tunnel, with a certificate for all of them."""
    cert, key = certificate(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", cert)
    with _served(tmp_path, "--cert", cert, "--key", key, "--force-path-style=false") as server:
        for bucket in ("models", "outputs"):
            (server.folder / bucket).mkdir()
        with ForwardProxy({"store.test": server.port}, access="me:secret") as proxy:
            monkeypatch.setenv("https_proxy", proxy.url)
            assert_works(reached(server, "https://store.test", "virtual"), tmp_path)

    assert {line.rpartition(" ")[0] for line in proxy.asked} >= {"CONNECT models.store.test:443"}
    assert all(line.startswith("CONNECT ") for line in proxy.asked)


@pytest.mark.parametrize("exempt", ["store.test", "*"])
def test_a_name_that_needs_no_proxy(s3: S3Server, monkeypatch: pytest.MonkeyPatch, exempt: str) -> None:
    """`no_proxy` is heard, and loopback never goes through a proxy."""
    with ForwardProxy({"store.test": s3.port, "127.0.0.1": s3.port}) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        s3.store().put_bytes("models", "x", b"1")
        monkeypatch.setenv("no_proxy", exempt)
        with pytest.raises(StoreUnreachable):
            reached(s3, "http://store.test", patience=0.5).head("models", "x")

    assert proxy.asked == []


def test_a_proxy_that_refuses(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong password of the proxy is told as what it is, for both kinds of addresses."""
    with ForwardProxy({"store.test": s3.port}, access="me:secret") as proxy:
        wrong = proxy.url.replace("secret", "guess")
        monkeypatch.setenv("http_proxy", wrong)
        monkeypatch.setenv("https_proxy", wrong)
        for scheme in ("http", "https"):
            with pytest.raises(StoreError, match="407 Proxy Authentication Required") as caught:
                reached(s3, f"{scheme}://store.test", patience=0.5).head("models", "x")
            assert "guess" not in str(caught.value)
