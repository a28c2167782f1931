"""Optional models whose node would be taken out of the graph although somebody asked for what it does."""

from collections.abc import Iterator

from videogen.batch import Batch, slots
from videogen.character import Character
from videogen.definition import Value
from videogen.manifest import Manifest
from videogen.workflow import Workflow, is_missing


def idle_slots(
    batch: Batch, workflow: Workflow, character: Character | None, models: Manifest
) -> Iterator[tuple[str, str, str]]:
    """`(parameter, what is wrong, hint)`: a strength above 0 without a model, or a model with a strength of 0.

    Only what batch or character say counts: a default asks for nothing. `models` are those of the phase.
    """
    said = {**(character.values_for(workflow) if character else {}), **batch.fixed}
    asked: dict[str, tuple[Value, ...]] = {**{name: (value,) for name, value in said.items()}, **batch.matrix}
    chosen = slots(batch, character)
    for parameter, doing, inner in _strengths(workflow):
        own = [slot.model for slot in doing.definition.models if slot.optional and slot.strength == inner]
        values = asked.get(parameter, ())
        empty = [name for name in own if name not in chosen and is_missing(name, models)]
        if empty and (wanted := next((value for value in values if value), None)) is not None:
            several = len(empty) > 1
            named = " and ".join(f"`{name}`" for name in empty)
            message = f"{wanted} does nothing: the slot{'s' * several} {named} {'are' if several else 'is'} empty"
            hint = f"`models: {{{empty[0]}: NAME}}`, a file for it in the manifest, or no `{parameter}`"
            yield parameter, f"{message} in this phase, and what would load it is taken out", hint
        filled = [name for name in own if name in chosen]
        if filled and not any(values or (doing.parameter(inner).default,)):
            named = " and ".join(f"`{name}`" for name in filled)
            message = f"is 0, so that what was chosen for {named} is left out"
            yield parameter, message, f"{parameter}: 1.0"


def doubtful_slots(batch: Batch, workflow: Workflow) -> Iterator[tuple[str, str]]:
    """`(slot, what may be wrong)` where a batch puts the model of one slot of the workflow into another."""
    own = workflow.slots
    for slot, name in batch.models.items():
        if slot in own and name in own and name != slot:
            yield slot, f"`{name}` is the model of another slot of workflow {workflow.name}: are they mixed up?"


def _strengths(workflow: Workflow) -> Iterator[tuple[str, Workflow, str]]:
    """`(the batch's parameter, the workflow that draws, its parameter)` of each one that sets a model's strength."""
    for parameter in workflow.definition.parameters:
        if not workflow.steps:
            yield parameter.name, workflow, parameter.name
        for target in parameter.sets if workflow.steps else ():
            yield parameter.name, workflow.steps[target.step], target.parameter
