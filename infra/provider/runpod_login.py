"""`videogen:index:RunpodLogin`: a login for a container registry, as `runpod:index:ContainerRegistryAuth` is."""

from collections.abc import Mapping

from infra.provider.engine import Call
from infra.provider.properties import Plain
from videogen.runpod_lasting import LOGIN, of_environment
from videogen.secret import Secret

TYPE = "videogen:index:RunpodLogin"


class Handler:
    """RunPod tells neither user nor password again and changes neither: another one is a new login."""

    secret = frozenset({"password"})
    replacing = frozenset({"name", "username", "password"})
    made = frozenset({"registryAuthId"})

    def faults(self, _inputs: Plain, /) -> Mapping[str, str]:
        """The settings are checked by the program."""
        return {}

    def ails(self, _state: Plain, /) -> frozenset[str]:
        """Nobody can see what ails it."""
        return frozenset()

    def create(self, inputs: Plain, _call: Call, /) -> tuple[str, Plain]:
        """A new login; one of that name goes first, as nobody knows its password."""
        account = of_environment()
        if old := account.named(LOGIN, inputs["name"]):
            account.end(LOGIN, old["id"])
        password = Secret(inputs["password"])
        body = {"name": inputs["name"], "username": inputs["username"], "password": password.reveal()}
        made = account.make(LOGIN, body, (password,))
        return made["id"], {"registryAuthId": made["id"]}

    def read(self, state: Plain, _call: Call, /) -> Plain | None:
        """Whether it is there."""
        found = of_environment().look(LOGIN, state["registryAuthId"])
        return {"registryAuthId": found["id"]} if found else None

    def update(self, _state: Plain, _inputs: Plain, _call: Call, /) -> Plain:
        """It has nothing to change."""
        return {}

    def delete(self, state: Plain, _call: Call, /) -> None:
        """Ends it; RunPod refuses while a pod pulls its image with it."""
        of_environment().end(LOGIN, state["registryAuthId"])
