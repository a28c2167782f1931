import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import pytest

from videogen import gateway
from videogen.closed_routes import CLOSED_ROUTES
from videogen.errors import InputError
from videogen.gateway import GatewaySettings
from videogen.project import template
from videogen.secret import Secret

TOKEN = "a-token_of-22-letters0"
SETTINGS = GatewaySettings(8080, 8188, 8189, Secret(TOKEN), Path("/run/videogen/gateway"))


def _configuration(settings: GatewaySettings = SETTINGS) -> str:
    return gateway.files(settings)[settings.configuration]


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "short",
        TOKEN[:-1],
        TOKEN + "\n",
        TOKEN + ".*",
        TOKEN + '"; }',
        TOKEN + "$uri",
        TOKEN + "é",
        "a" * 129,
        "x" * 21 + " ",
    ],
)
def test_odd_token(odd: str) -> None:
    """A token that is short, or could mean something to nginx, is refused, and not shown."""
    with pytest.raises(InputError, match="VIDEOGEN_TOKEN: should be 22 to 128") as error:
        replace(SETTINGS, token=Secret(odd))

    assert not odd or odd not in str(error.value)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"port": 0}, "VIDEOGEN_GATEWAY_PORT: should be a port from 1 to 65535, got 0"),
        ({"comfyui_port": 8080}, "VIDEOGEN_GATEWAY_PORT: gateway, ComfyUI and agent need a port each"),
        ({"upload_limit_mb": 0}, "VIDEOGEN_UPLOAD_LIMIT_MB: should be 1 or more, got 0"),
        ({"certificate": Path("/c.pem")}, "VIDEOGEN_TLS_CERTIFICATE: goes together with VIDEOGEN_TLS_KEY"),
        ({"certificate": Path("/c;d"), "key": Path("k")}, "VIDEOGEN_TLS_CERTIFICATE: should be an absolute path"),
        ({"certificate": Path("/c"), "key": Path("k")}, "VIDEOGEN_TLS_KEY: should be an absolute path"),
        ({"run": Path("/run/a b")}, "run folder: should be an absolute path of plain letters, got '/run/a b'"),
    ],
)
def test_odd_settings(change: dict[str, Any], fault: str) -> None:
    """Settings that nginx would read otherwise are refused with their variable."""
    with pytest.raises(InputError, match=re.escape(fault)):
        replace(SETTINGS, **change)


def test_unknown_variable() -> None:
    """A template that names a variable which nobody gives is an error, not an empty word."""
    with pytest.raises(jinja2.UndefinedError, match="settings"):
        template("nginx.conf.j2").render(token=TOKEN)


def test_listens_once() -> None:
    """One address is public; the other one is a socket in the run folder."""
    listening = re.findall(r"listen (.+);", _configuration())

    assert listening == ["0.0.0.0:8080", "unix:/run/videogen/gateway/login.sock"]


def test_tls() -> None:
    """With a certificate the one public address speaks TLS."""
    text = _configuration(replace(SETTINGS, certificate=Path("/tls/c.pem"), key=Path("/tls/k.pem")))

    assert "listen 0.0.0.0:8080 ssl;" in text
    assert "ssl_certificate_key /tls/k.pem;" in text


def test_cookie_hides_the_token() -> None:
    """The cookie's value does not give the token away, and another token has another."""
    assert TOKEN not in SETTINGS.cookie
    assert hashlib.sha256(TOKEN.encode()).hexdigest() != SETTINGS.cookie
    assert replace(SETTINGS, token=Secret(TOKEN[::-1])).cookie != SETTINGS.cookie


def test_token_stays_in_its_file() -> None:
    """The token stands in the configuration and nowhere else: no page, no command line, no print of the settings."""
    elsewhere = [text for path, text in gateway.files(SETTINGS).items() if path != SETTINGS.configuration]

    assert TOKEN in _configuration()
    assert not any(TOKEN in text or SETTINGS.cookie in text for text in elsewhere)
    assert TOKEN not in f"{SETTINGS} {gateway.command(SETTINGS)} {gateway.check_command(SETTINGS)}"


def test_every_open_location_is_known() -> None:
    """Only these locations do without the token; a new one wants it unless it says otherwise."""
    text = _configuration()
    locations = re.findall(
        r"location (?:= |\^~ |~ )?(\S+) \{(.*?)\n?\s*\}(?=\n)", text[: text.index("listen unix")], re.DOTALL
    )
    without = {name for name, body in locations if "auth_request off" in body}

    assert {"/healthz", "/login", "/gateway/admitted"} == {name for name in without if name.startswith("/")}
    assert all("internal" in body for name, body in locations if name == "/gateway/admitted")


def test_every_closed_route_has_a_reason() -> None:
    """A caller of a closed route reads why, in words that need no escape in nginx or JSON."""
    assert all(re.fullmatch(r"[A-Za-z0-9 ,;'-]{10,}", route.reason) for route in CLOSED_ROUTES)
