"""`videogen:index:RunpodTemplate`: a pod template, with the properties that `runpod:index:Template` has too."""

from collections.abc import Mapping

from infra.provider.engine import Call
from infra.provider.properties import Plain
from videogen.runpod_lasting import TEMPLATE, Thing, of_environment

TYPE = "videogen:index:RunpodTemplate"


class Handler:
    """Everything about it changes in place."""

    secret: frozenset[str] = frozenset()
    replacing: frozenset[str] = frozenset()
    made = frozenset({"templateId"})

    def faults(self, _inputs: Plain, /) -> Mapping[str, str]:
        """The settings are checked by the program."""
        return {}

    def ails(self, _state: Plain, /) -> frozenset[str]:
        """What is no longer as it was asked for shows in the inputs."""
        return frozenset()

    def create(self, inputs: Plain, _call: Call, /) -> tuple[str, Plain]:
        """The template of that name, as it is asked for."""
        account = of_environment()
        if found := account.named(TEMPLATE, inputs["name"]):
            found = account.change(TEMPLATE, found["id"], _body(inputs))
        else:
            found = account.make(TEMPLATE, _body(inputs))
        return found["id"], {"templateId": found["id"]}

    def read(self, state: Plain, _call: Call, /) -> Plain | None:
        """As it is now."""
        found = of_environment().look(TEMPLATE, state["templateId"])
        return _outputs(found) if found else None

    def update(self, state: Plain, inputs: Plain, _call: Call, /) -> Plain:
        """Pods that were made from it stay as they are."""
        of_environment().change(TEMPLATE, state["templateId"], _body(inputs))
        return {}

    def delete(self, state: Plain, _call: Call, /) -> None:
        """Ends it; RunPod refuses while a pod was made from it."""
        of_environment().end(TEMPLATE, state["templateId"])


def _body(inputs: Plain) -> Plain:
    return {
        "name": inputs["name"],
        "image": inputs["imageName"],
        "disk": inputs["containerDiskInGb"],
        "ports": [port for port in inputs["ports"].split(",") if port],
        "registry": inputs["containerRegistryAuthId"] or None,
        "startSsh": inputs["startSsh"],  # both are on unless told otherwise
        "startJupyter": inputs["startJupyter"],
        "serverless": False,
        "public": False,
    }


def _outputs(found: Thing) -> Plain:
    return {
        "templateId": found["id"],
        "name": found["name"],
        "imageName": found["image"],
        "containerDiskInGb": found["disk"],
        "ports": ",".join(found["ports"]),
        "containerRegistryAuthId": found["registry"] or "",
        "startSsh": found["startSsh"],
        "startJupyter": found["startJupyter"],
    }
