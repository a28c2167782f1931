"""`videogen:index:RunpodVolume`: a network volume, with the properties that `runpod:index:NetworkVolume` has too."""

from collections.abc import Mapping

from pydantic import ValidationError

from infra.provider.engine import Call
from infra.provider.properties import Plain
from infra.runpod_terms import VolumeTerms
from videogen.errors import CloudError
from videogen.runpod_lasting import VOLUME, RunpodLasting, Thing, of_environment, owner_part

TYPE = "videogen:index:RunpodVolume"


class Handler:
    """Never a second volume of one name, never a smaller one, never one forgotten that may hold data."""

    secret: frozenset[str] = frozenset()
    replacing = frozenset({"dataCenterId", "type"})
    made = frozenset({"networkVolumeId"})

    def faults(self, inputs: Plain) -> Mapping[str, str]:
        """A size that RunPod does not sell."""
        try:
            VolumeTerms.model_validate({"gb": inputs.get("size"), "place": inputs.get("dataCenterId")})
        except ValidationError as error:
            words = {"gb": "size", "place": "dataCenterId"}
            return {words[str(one["loc"][0])]: one["msg"] for one in error.errors()}
        return {}

    def ails(self, _state: Plain, /) -> frozenset[str]:
        """What is no longer as it was asked for shows in the inputs."""
        return frozenset()

    def create(self, inputs: Plain, _call: Call, /) -> tuple[str, Plain]:
        """The volume of that name: the one that is there, with all that it holds, or a new one."""
        account = of_environment()
        found = account.named(VOLUME, inputs["name"])
        if found is None:
            wanted = {"name": inputs["name"], "size": inputs["size"], "dataCenter": inputs["dataCenterId"]}
            found = account.make(VOLUME, wanted | ({"type": inputs["type"]} if inputs.get("type") else {}))
        if found.get("dataCenter") != inputs["dataCenterId"] or inputs.get("type") not in (None, found.get("type")):
            raise CloudError(
                f"a network volume {found['name']} is there already, {found.get('type')} in {found.get('dataCenter')}",
                f"take it as it is, or delete it where it is: its id is {found['id']}",
            )
        found = _grown(account, found, inputs)
        return found["id"], _outputs(found)

    def read(self, state: Plain, _call: Call, /) -> Plain | None:
        """As it is now; gone only where the account proves to be ours."""
        found = of_environment().look(VOLUME, state["networkVolumeId"], holds_data=owner_part(state["name"]))
        return _outputs(found) if found else None

    def update(self, _state: Plain, inputs: Plain, _call: Call, /) -> Plain:
        """More room, or another name; what it holds stays."""
        account = of_environment()
        found = account.look(VOLUME, _state["networkVolumeId"], holds_data=owner_part(_state["name"]))
        if found is None:
            raise CloudError(f"network volume {_state['networkVolumeId']} is gone", "pulumi refresh, then up again")
        return _outputs(_grown(account, found, inputs))

    def delete(self, state: Plain, _call: Call, /) -> None:
        """Ends it with all that it holds; the program protects it from this."""
        of_environment().end(VOLUME, state["networkVolumeId"])


def _grown(account: RunpodLasting, found: Thing, inputs: Plain) -> Thing:
    """With the size and name that are wanted."""
    if inputs["size"] < found["size"]:
        raise CloudError(
            f"a network volume cannot shrink: {found['name']} has {found['size']} GB, {inputs['size']} are asked for",
            f"ask for {found['size']} or more",
        )
    change = {key: inputs[key] for key in ("name", "size") if inputs[key] != found[key]}
    return account.change(VOLUME, found["id"], change) if change else found


def _outputs(found: Thing) -> Plain:
    return {
        "networkVolumeId": found["id"],
        "name": found["name"],
        "size": found["size"],
        "dataCenterId": found["dataCenter"],
        "type": found["type"],
    }
