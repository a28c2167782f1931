"""A person logs in with the token and out again."""

import json
import re
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.doubles import browser
from tests.doubles.gateway_container import TOKEN, Door
from tests.doubles.standin_process import DEADLINE


def test_login(comfyui_door: Door) -> None:
    """A browser without the cookie gets a page, posts the token, gets the cookie, and then everything, sockets too."""
    door = comfyui_door
    page = {"Accept": "text/html,*/*;q=0.8"}
    with httpx.Client(base_url=door.url, headers=page, timeout=DEADLINE, trust_env=False) as browser:
        first = browser.get("/")
        assert first.status_code == 401
        assert '<form method="post" action="/login">' in first.text
        assert "ログイン" in first.text
        assert first.headers["content-type"] == "text/html; charset=utf-8"
        assert first.headers["cache-control"] == "no-store"

        wrong = browser.post("/login", data={"token": TOKEN[:-1]})
        assert (wrong.status_code, 'role="alert"' in wrong.text, dict(browser.cookies)) == (401, True, {})

        right = browser.post("/login", data={"token": f" {TOKEN} "})
        assert (right.status_code, right.headers["location"]) == (303, "/")
        assert TOKEN not in str(right.headers)
        assert re.search(r"; Path=/; Max-Age=86400; HttpOnly; SameSite=Strict$", right.headers["set-cookie"])
        assert browser.get("/system_stats").status_code == 200
        cookie = {"Cookie": f"videogen={browser.cookies['videogen']}"}
    with connect(door.ws(), additional_headers=cookie, proxy=None) as connection:
        assert json.loads(connection.recv(timeout=DEADLINE))["type"] == "status"


@pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium on this machine")
def test_in_a_browser(comfyui_door: Door, tmp_path: Path) -> None:
    """A person logs in with a browser, and the page behind then posts and listens as ComfyUI's page does."""
    with browser.browser(tmp_path / "profile") as page:
        page.open(f"{comfyui_door.url}/")
        for token, then in (("wrong", "document.querySelector('[role=alert]')"), (TOKEN, "!document.forms.length")):
            page.until("document.forms.length && document.readyState == 'complete'")
            page.picture(tmp_path / f"before-{token[:5]}.png")
            page.run(f"document.forms[0].token.value = '{token}'; document.forms[0].requestSubmit()")
            page.until(then)
        page.until("document.readyState == 'complete'")
        page.picture(tmp_path / "behind.png")
        heard = "new Promise(heard => { new WebSocket(`ws://${location.host}/ws`).onmessage = e => heard(e.data) })"

        assert page.run("fetch('/prompt', {method: 'POST', body: '{}'}).then(answer => answer.status)") == 400
        assert json.loads(page.run(heard))["type"] == "status"
        assert page.run("document.cookie") == ""


def test_cookie_is_secure_behind_tls(door: Door) -> None:
    """Where the browser speaks TLS with the provider's proxy, the cookie goes over TLS only."""
    answer = door.http.post("/login", data={"token": TOKEN}, headers={"X-Forwarded-Proto": "https"})

    assert answer.headers["set-cookie"].endswith("; SameSite=Strict; Secure")


def test_login_takes_the_form_only(door: Door) -> None:
    """The token in a query, in a header or in another field of the form logs nobody in."""
    answers = [
        door.http.get("/login", params={"token": TOKEN}),
        door.http.get("/login", headers={"X-Login": "right"}),
        door.http.post("/login", params={"token": TOKEN}),
        door.http.post("/login", data={"key": TOKEN}, headers={"X-Login": "right"}),
        door.http.post("/login", data={"token": TOKEN.swapcase()}),
        door.http.post("/login", data={"token": TOKEN * 50}),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 401, 401, 401, 413]
    assert not any("set-cookie" in answer.headers for answer in answers)


def test_logout(comfyui_door: Door) -> None:
    """Who logs out has no cookie any more and finds the login; a page of another site logs nobody out."""
    with httpx.Client(base_url=comfyui_door.url, timeout=DEADLINE, trust_env=False) as browser:
        browser.post("/login", data={"token": TOKEN})
        assert '<a href="/logout">' in browser.get("/login").text
        foreign = browser.get("/logout", headers={"Sec-Fetch-Site": "cross-site"})
        assert (foreign.status_code, "set-cookie" in foreign.headers, len(browser.cookies)) == (403, False, 1)

        out = browser.get("/logout")
        assert (out.status_code, out.headers["location"], len(browser.cookies)) == (303, "/login", 0)
        assert re.search(r"Max-Age=0; HttpOnly; SameSite=Strict$", out.headers["set-cookie"])
        again = browser.get("/logout")
        assert (again.status_code, "set-cookie" in again.headers) == (401, False)
