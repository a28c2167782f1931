"""What a stack file says of money and time, for forecasts: nothing is rented and Pulumi is not asked."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import ConfigDict, Field, ValidationError

from videogen import document
from videogen.document import Document, Schema
from videogen.errors import InputError
from videogen.gpu import Offer
from videogen.lease import LeaseTerms
from videogen.money import Cap


class _Store(Schema):
    model_config = ConfigDict(frozen=True, extra="ignore")

    endpoint: str = ""


class StackTerms(Schema):
    """The part of a stack's settings that a forecast needs; `infra.settings` has the whole."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    gpus: tuple[Offer, ...] = ()
    workers: int = 1
    cloud: str = ""
    lease: LeaseTerms = LeaseTerms(total=480, idle=15, boot=20)
    cap: Cap = Cap(run=Decimal(0), month=Decimal(0))
    volume_gb: int = Field(default=0, alias="volumeGb")
    store: _Store = _Store()


def parse(settings: Mapping[str, Any], name: str) -> StackTerms:
    """The terms in the settings of file `name`; raises `InputError`."""
    text = json.dumps({key: value for key, value in settings.items() if value != "none"})
    try:
        return StackTerms.model_validate_json(text)
    except ValidationError as error:
        raise InputError(document.faults(error, StackTerms, Document(text, name))) from None
