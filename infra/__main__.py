"""What exists on a stack: settings → foundation → phase → exports."""

import os

import pulumi
from pulumi.runtime.config import CONFIG

from infra import settings
from infra.foundation import foundation
from infra.outputs import export
from infra.phase import workers
from videogen import project
from videogen.errors import InputError

try:
    stack = settings.read(pulumi.get_stack(), project.root(), CONFIG.get(), os.environ)
except InputError as error:
    raise pulumi.RunError(settings.spell(error)) from None

if missing := settings.not_yet(stack):
    raise pulumi.RunError(missing)

place, access = foundation(stack)
export(stack, place, access, workers(stack, place, access))
