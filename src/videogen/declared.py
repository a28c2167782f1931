"""What a stack's file declares, as far as the command line must know it before Pulumi is asked.

The file is checked as a whole by `pulumi preview`; here the keys that are not needed may say anything.
"""

import os
from decimal import Decimal

import yaml
from pydantic import ConfigDict, Field, ValidationError

from videogen import project
from videogen.document import Schema
from videogen.errors import Fault, InputError
from videogen.gpu import Offer, rentable
from videogen.lease import LeaseTerms
from videogen.manifest import PhaseName
from videogen.money import Cap

NONE = "none"
_PREFIX = "videogen:"


class Declared(Schema):
    """The keys of `Pulumi.<stack>.yaml` that say who rents what, and for how much."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    cloud: str = NONE
    foundation_stack: str = Field(default=NONE, alias="foundationStack")
    phase: PhaseName | None = None
    workers: int = 0
    gpus: tuple[Offer, ...] = ()
    lease: LeaseTerms | None = None
    cap: Cap
    manifest: str = "models_manifest.yaml"
    store: dict[str, object] | None = None

    @property
    def dearest(self) -> Decimal:
        """The most that an hour of one worker may cost, on a GPU that the cloud rents out."""
        return max((offer.dollars_per_hour for offer in rentable(self.cloud, self.gpus)), default=Decimal(0))


def read(stack: str) -> Declared:
    """What the stack's file says; raises `InputError` where there is no such file, or it cannot be used."""
    path = project.root() / f"Pulumi.{stack}.yaml"
    name = project.shown(path)
    try:
        found = yaml.safe_load(project.read(path))
    except yaml.YAMLError as error:
        raise InputError.of(name, f"is not YAML: {error}") from None
    config = found.get("config") if isinstance(found, dict) else None
    keys = config if isinstance(config, dict) else {}
    data = {key.removeprefix(_PREFIX): value for key, value in keys.items() if value != NONE}
    if data.get("cloud") == "local" and (manifest := os.environ.get("VIDEOGEN_MANIFEST")):
        data["manifest"] = manifest  # as the Pulumi program does
    try:
        return Declared.model_validate(data)
    except ValidationError as error:
        hint = f"`pulumi preview --stack {stack}` says what is wrong, line by line"
        faults = [Fault(f"{name}: {_PREFIX}{_spell(one['loc'])}", one["msg"], hint) for one in error.errors()]
        raise InputError(faults) from None


def store_endpoint(stack: str) -> str | None:
    """Where the store of a stack or of its foundation is, empty for AWS; nothing where no file says it."""
    wanted = read(stack)
    place = wanted.store or (read(wanted.foundation_stack).store if wanted.foundation_stack != NONE else None)
    return str(place.get("endpoint", "")) if place else None


def stacks() -> tuple[str, ...]:
    """Every stack that has a file in the checkout."""
    return tuple(sorted(path.name.split(".")[1] for path in project.root().glob("Pulumi.?*.yaml")))


def _spell(path: tuple[int | str, ...]) -> str:
    return "/".join(map(str, path))
