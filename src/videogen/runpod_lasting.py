"""What lasts on a RunPod account: network volumes, pod templates, logins for container registries.

Nothing there has a key of ours, so the name is what a thing is found by again: it is unique among ours, and is looked
for before anything is made. https://docs.runpod.io/api-reference-v2/overview
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from videogen.errors import CloudError, CloudUnknown, InputError
from videogen.pace import Pace
from videogen.runpod_api import KEY_HINT, URL, Answer, RateLimited, RunpodApi
from videogen.secret import Secret
from videogen.tag import PREFIX

Found = TypeVar("Found")
Thing = dict[str, Any]
"""As RunPod describes it: `id`, `name`, and what its kind has."""

_APPEARS_SECONDS = 30.0
"""How long an order that nobody answered may take to show its effect."""
_PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Kind:
    """One of RunPod's lists."""

    path: str
    key: str
    word: str


VOLUME = Kind("/network-volumes", "networkVolumes", "network volume")
TEMPLATE = Kind("/templates", "templates", "pod template")
LOGIN = Kind("/registries", "registries", "registry login")
KINDS = (VOLUME, TEMPLATE, LOGIN)


def of_environment(environment: Mapping[str, str] = os.environ) -> "RunpodLasting":
    """The account whose key is `RUNPOD_API_KEY`; `VIDEOGEN_RUNPOD_URL` names another address."""
    key = environment.get("RUNPOD_API_KEY")
    if not key:
        raise InputError.of("environment: RUNPOD_API_KEY", "is required for what lasts on RunPod", KEY_HINT)
    return RunpodLasting(RunpodApi(environment.get("VIDEOGEN_RUNPOD_URL") or URL, Secret(key)))


class RunpodLasting:
    """Makes, finds, changes and ends; every wait has a deadline."""

    def __init__(self, api: RunpodApi, pace: Pace | None = None) -> None:
        self._api = api
        self._pace = pace or Pace()

    def named(self, kind: Kind, name: str) -> Thing | None:
        """The one of that name; raises `CloudError` where there are several, as nobody knows which is meant."""
        found = [thing for thing in self._all(kind) if thing["name"] == name]
        if len(found) > 1:
            ids = ", ".join(thing["id"] for thing in found)
            raise CloudError(f"RunPod has {len(found)} {kind.word}s called {name}: {ids}", "delete all but one")
        return found[0] if found else None

    def make(self, kind: Kind, body: Mapping[str, Any], secrets: Sequence[Secret] = ()) -> Thing:
        """A new one, which `named` did not find. Never orders twice: one that was made without an answer is found.

        Raises `CloudUnknown` when it is not seen in time; whoever comes next has to look for it first.
        """
        try:
            return _thing(kind, self._order(lambda: self._api.order("POST", kind.path, body, secrets)).body)
        except CloudUnknown as unknown:
            if found := self._soon(lambda: self.named(kind, body["name"])):
                return found
            hint = f"a {kind.word} {body['name']} may come into being yet: the next `pulumi up` takes it over"
            raise CloudUnknown(unknown.message, hint) from None

    def change(self, kind: Kind, which: str, body: Mapping[str, Any]) -> Thing:
        """Changes what is in `body`, which may be ordered twice."""

        def order() -> Answer:
            return self._api.order("PATCH", f"{kind.path}/{which}", body)

        try:
            return _thing(kind, self._order(order).body)
        except CloudUnknown:
            return _thing(kind, self._order(order).body)

    def look(self, kind: Kind, which: str, *, holds_data: str = "") -> Thing | None:
        """The one with that id; nothing when it is proven gone: asked for itself, and missing in the whole list.

        `holds_data`, the owner's part of its name, wants more proof: something else of the same owner has to be there.
        Otherwise the key may be that of another account, and a volume would be forgotten with all that it holds.
        """
        answer = self._api.get(f"{kind.path}/{which}")
        if answer.status != 404:
            return _thing(kind, answer.body, which)
        if any(thing["id"] == which for thing in self._all(kind)):
            raise CloudUnknown(f"RunPod lists {kind.word} {which} and says that it is not there")
        if holds_data and not any(thing["name"].startswith(holds_data) for one in KINDS for thing in self._all(one)):
            raise CloudUnknown(
                f"RunPod does not know {kind.word} {which}, nor anything else of ours: this may be another account",
                "check RUNPOD_API_KEY; where it was deleted on purpose, `pulumi state delete` forgets it",
            )
        return None

    def end(self, kind: Kind, which: str) -> None:
        """Ends it and reads back until it is gone; one that was gone before is fine."""
        if self._api.delete(f"{kind.path}/{which}").status == 404:
            return
        if not self._soon(lambda: self._api.get(f"{kind.path}/{which}").status == 404):
            raise CloudUnknown(f"RunPod took the end of {kind.word} {which}, and still shows it")

    def _all(self, kind: Kind) -> list[Thing]:
        return [_thing(kind, item) for item in self._api.pages(kind.path, kind.key)]

    def _order(self, give: Callable[[], Answer]) -> Answer:
        """Gives an order again while the rate limit refuses it."""
        deadline = self._pace.now() + _APPEARS_SECONDS
        while True:
            try:
                return give()
            except RateLimited as error:
                if self._pace.now() + error.seconds > deadline:
                    raise
                self._pace.sleep(error.seconds)

    def _soon(self, look: Callable[[], Found]) -> Found | None:
        """The first answer that is something."""
        deadline = self._pace.now() + _APPEARS_SECONDS
        while not (found := look()):
            if self._pace.now() > deadline:
                return None
            self._pace.sleep(_PAUSE_SECONDS)
        return found


def owner_part(name: str) -> str:
    """`videogen-1a2b3c4d-` of `videogen-1a2b3c4d-prod`: what everything of one owner begins with."""
    return PREFIX + name.removeprefix(PREFIX).partition("-")[0] + "-"


def _thing(kind: Kind, body: object, which: str | None = None) -> Thing:
    if not isinstance(body, dict) or not all(isinstance(body.get(key), str) and body[key] for key in ("id", "name")):
        raise CloudUnknown(f"RunPod: an odd answer: no {kind.word}")
    if which is not None and body["id"] != which:
        raise CloudUnknown(f"RunPod: an odd answer: asked for {kind.word} {which}, got {body['id']}")
    return body
