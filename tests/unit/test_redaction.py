"""No secret survives in a text, and no text is spoilt that holds none."""

import base64
import json
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videogen.redaction import HIDDEN, Redaction, of_environment
from videogen.secret import Secret

CANARIES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs"]), min_size=8, max_size=60)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=80)
WORDS = st.sampled_from(
    [
        "the",
        "worker",
        "ComfyUI",
        "started",
        "ready",
        "12.5",
        "s",
        "GB/s",
        "models/sha256/9f86d081884c7d65",
        "wan2.2/high.safetensors",
        "http://127.0.0.1:8188/prompt?x=1",
        "bearer",
        "token",
        "Authorization",
        "basic",
        "cookie",
        "signature",
        "key=",
        "{}",
        '"a":',
        "'b'",
        "&",
    ]
)
CLOTHES: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "url": lambda text: urllib.parse.quote(text, safe=""),
    "form": urllib.parse.quote_plus,
    "lower url": lambda text: "".join(
        f"%{byte:02x}" if byte > 127 or not chr(byte).isalnum() else chr(byte) for byte in text.encode()
    ),
    "json": lambda text: json.dumps(text)[1:-1],
    "json of json": lambda text: json.dumps(json.dumps(text)),
    "repr": lambda text: repr(text)[1:-1],
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "basic": lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
    "between": lambda text: base64.b64encode(f"ab{text}cd".encode()).decode(),
    "urlsafe": lambda text: base64.urlsafe_b64encode(f"u{text}".encode()).decode(),
}


@given(canary=CANARIES, before=TEXTS, after=TEXTS, clothes=st.sampled_from(sorted(CLOTHES)))
@settings(max_examples=150)
def test_no_canary_survives(canary: str, before: str, after: str, clothes: str) -> None:
    """A known secret is gone from every text, in whatever clothes it stood there."""
    worn = CLOTHES[clothes](canary)
    told = Redaction([Secret(canary)]).text(f"{before} {worn} {after}")

    assert HIDDEN in told
    if clothes in {"basic", "between", "urlsafe"}:
        for letters in (told, told.replace("-", "+").replace("_", "/")):
            assert base64.b64encode(canary.encode()).decode()[4:-4] not in letters
    elif canary not in before + after:
        assert worn not in told.replace(HIDDEN, "")


@given(words=st.lists(WORDS), canary=CANARIES)
@settings(max_examples=100)
def test_ordinary_text_stays(words: list[str], canary: str) -> None:
    """A text without a secret comes back as it was; twice redacted is once redacted."""
    text = " ".join(words)
    redaction = Redaction([Secret(f"§{canary}§")])

    assert redaction.text(text) == text
    assert Redaction().text(redaction.text(f"§{canary}§")) == HIDDEN


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("key AKIAABCDEFGHIJKLMNOP.", "key ***."),
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer ***"),
        ('{"authorization": "Basic dXNlcjpwYXNz", "a": 1}', '{"authorization": "Basic ***", "a": 1}'),
        ("sent Bearer 0123456789abcdefghijKLMN==!", "sent Bearer ***!"),
        (
            "GET /x?X-Amz-Credential=AK%2F1&X-Amz-Signature=00ff&a=b",
            "GET /x?X-Amz-Credential=***&X-Amz-Signature=***&a=b",
        ),
        ("GET /?token=abc HTTP/1.1", "GET /?token=*** HTTP/1.1"),
        ("Set-Cookie: videogen=abc; Path=/", "Set-Cookie: videogen=***; Path=/"),
        ("aws_secret_access_key = abc/def", "aws_secret_access_key = ***"),
        ("https://me:pa55@example.org/x", "https://***@example.org/x"),
        ("x -----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\nbnNz\n-----END OPENSSH PRIVATE KEY----- y", "x *** y"),
        ("cut off -----BEGIN RSA PRIVATE KEY-----\nMIIE", "cut off ***"),
        ("hf_abcdefghijklmnopqrst and ghp_0123456789abcdefghij", "*** and ***"),
    ],
)
def test_shapes(text: str, told: str) -> None:
    """What looks like a secret is hidden although nobody named it, and nothing beside it."""
    assert Redaction().text(text) == told


def test_lines_of_a_key() -> None:
    """Each line of a secret of several lines is a secret, since logs are cut at lines."""
    key = "-----BEGIN KEY-----\\nb3BlbnNzaC1rZXktdjEAAAAA\\nAAAABG5vbmUAAAAEbm9uZQ\\n-----END KEY-----"

    assert Redaction([Secret(key)]).text("line 2: AAAABG5vbmUAAAAEbm9uZQ") == "line 2: ***"


def test_within() -> None:
    """A document keeps its shape, its numbers and its keys."""
    document = {"token": ["s3cr3t-s3cr3t", 1, None, True], "more": {"x": ("a s3cr3t-s3cr3t",)}}

    told = Redaction([Secret("s3cr3t-s3cr3t")]).within(document)
    assert told == {"token": ["***", 1, None, True], "more": {"x": ["a ***"]}}


def test_environment() -> None:
    """Variables are taken for secrets by their names; public keys and paths are none, and short words are ordinary."""
    given = {"RUNPOD_API_KEY": "a", "PUBLIC_KEY": "b", "HF_TOKEN": "c", "VIDEOGEN_TLS_KEY": "d", "PATH": "e"}
    found = of_environment({**{name: value * 8 for name, value in given.items()}, "X_TOKEN": "true"})

    assert {one.reveal() for one in found} == {"a" * 8, "c" * 8}
