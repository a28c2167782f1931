"""What no log may show: the secrets that this process knows, in whatever clothes they come, and what looks like one.

A value shorter than four characters is not looked for: it would be found in every word.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from videogen.secret import Secret

HIDDEN = "***"

_SHORTEST = 4
_SHORTEST_LINE = 16
"""Of a secret of several lines, such as a key, each line of at least this length is a secret, too."""
_NAMES = re.compile(r"(KEY|KEYS|TOKEN|SECRET|PASSWORD|PASSPHRASE|CREDENTIALS?)$")
_PUBLIC = re.compile(r"(PUBLIC_KEYS?|TLS_KEY)$")
_SHORTEST_INJECTED = 8
"""Of a variable that only looks secret: `X_TOKEN=true` must not take every `true` out of the log."""

_VALUE = r"""[^\s"'&;,<>\\{}]+"""
_SHAPES = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), HIDDEN),
    (re.compile(r"\b(?:gh[pousr]_|github_pat_|hf_|rpa_|rps_)[A-Za-z0-9_]{16,}\b"), HIDDEN),
    (re.compile(r"\b((?:Bearer|Basic)\s+)[A-Za-z0-9._~+/-]{20,}=*"), rf"\1{HIDDEN}"),
    (re.compile(rf"(?i)\b((?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?(?:[a-z]+ +)?){_VALUE}"), rf"\1{HIDDEN}"),
    (re.compile(rf"(?i)\b((?:set-)?cookie[\"']?\s*:\s*[\"']?[^\s=\"']+=){_VALUE}"), rf"\1{HIDDEN}"),
    (re.compile(rf"(?i)\b(x-amz-(?:signature|credential|security-token)(?:=|%3D)){_VALUE}"), rf"\1{HIDDEN}"),
    (re.compile(rf"([?&](?:Signature|AWSAccessKeyId|sig|token|access_token|api_key)=){_VALUE}"), rf"\1{HIDDEN}"),
    (re.compile(rf"(?i)\b(aws_?(?:secret_?access_?key|session_?token)[\"']?\s*[:=]\s*[\"']?){_VALUE}"), rf"\1{HIDDEN}"),
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@:\"']+:[^\s/@\"']+@"), rf"\1{HIDDEN}@"),
)
"""Each says nothing of ordinary text, and stops before a quote or a bracket, so that JSON stays JSON."""


class Redaction:
    """Takes secrets out of texts; those of `known`, and always what has the shape of a secret."""

    def __init__(self, known: Iterable[Secret] = ()) -> None:
        values = {form for secret in known for form in _values(secret.reveal()) if len(form) >= _SHORTEST}
        literal = {form for value in values for form in _forms(value)}
        patterns = [re.escape(form) for form in literal] + [_in_url(value) for value in values]
        self._known = re.compile("|".join(sorted(patterns, key=len, reverse=True))) if values else None

    def text(self, text: str) -> str:
        """The text, with `***` where a secret stood."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for shape, instead in _SHAPES:
            text = shape.sub(instead, text)
        return text

    def within(self, value: Any) -> Any:
        """What JSON can say, with every text in it made harmless; keys are ours and stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {name: self.within(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.within(inner) for inner in value]
        return value


def of_environment(environment: Mapping[str, str]) -> tuple[Secret, ...]:
    """The values of those variables whose name says that they are secret, such as a key that a cloud injects."""
    return tuple(
        Secret(value)
        for name, value in environment.items()
        if _NAMES.search(name) and not _PUBLIC.search(name) and len(value) >= _SHORTEST_INJECTED
    )


def _values(value: str) -> set[str]:
    """A secret, and its long lines."""
    lines = {line.strip() for line in re.split(r"[\r\n]|\\n", value)}
    return {value, value.strip(), *(line for line in lines if len(line) >= _SHORTEST_LINE)}


def _forms(value: str) -> set[str]:
    """How it may stand in a text: itself, in JSON, in JSON within JSON, in a Python literal, in base64."""
    plain = {value, repr(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    for _ in range(2):
        plain |= {json.dumps(form)[1:-1] for form in plain}
    return plain | _base64(value.encode())


def _in_url(value: str) -> str:
    """A pattern of it in a URL; which signs are written as `%7E` is every program's own choice."""
    return "".join(map(_sign_in_url, value))


def _sign_in_url(sign: str) -> str:
    if sign.isascii() and sign.isalnum():
        return sign
    coded = "".join(f"%(?i:{byte:02X})" for byte in sign.encode())
    return f"(?:{re.escape(sign)}|{coded}{'|[+]' if sign == ' ' else ''})"


def _base64(data: bytes) -> set[str]:
    """The letters of base64 that depend on nothing but `data`, whichever way it lies among other bytes."""
    found = {base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()}
    found |= {form.rstrip("=") for form in found}
    if len(data) < 2 * _SHORTEST:  # what is left of a short one could be anything
        return found
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
        first = -(-before * 8 // 6)
        last = (before + len(data)) * 8 // 6
        found |= {whole[first:last], whole[first:last].replace("+", "-").replace("/", "_")}
    return found
