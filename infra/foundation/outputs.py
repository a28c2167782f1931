"""What every foundation gives, whoever keeps it."""

from dataclasses import dataclass
from typing import Any

import pulumi

from videogen import tag
from videogen.stack_outputs import Store

Texts = pulumi.Output[dict[str, str]]


@dataclass(frozen=True)
class FoundationOutputs:
    """The parts of a stack's exports that a foundation makes; `videogen.stack_outputs` describes each."""

    store: pulumi.Output[dict[str, Any]]
    """`stack_outputs.Store`."""
    store_access: Texts
    """`stack_outputs.StoreAccess` of whoever mirrors and submits; secret."""
    worker_access: Texts
    """`stack_outputs.StoreAccess` of the workers, which may do less where the store can tell them apart; secret."""
    queue: pulumi.Output[dict[str, str]] | None = None
    """`url` of the queue of jobs, `dead` of the queue of those that failed too often; nothing where there is none."""
    runpod: pulumi.Output[dict[str, str] | None] | None = None
    """`stack_outputs.OnRunpod`: what lasts there; nothing where there is nothing."""

    def on_runpod(self, what: str) -> pulumi.Output[str]:
        """The id of `networkVolume`, `template` or `login`; empty where there is none."""
        return pulumi.Output.from_input(self.runpod).apply(lambda known: (known or {}).get(what) or "")

    @property
    def owner(self) -> pulumi.Output[str]:
        """`videogen.tag.owner`: whose machines are ours."""
        return self.store.apply(lambda place: tag.owner(Store.model_validate(place)))


def keys(key: pulumi.Input[str], secret: pulumi.Input[str]) -> Texts:
    """A `stack_outputs.StoreAccess`, both halves secret."""
    return pulumi.Output.secret(pulumi.Output.all(key=key, secret=secret).apply(dict))
