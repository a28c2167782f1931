"""What exists on a stack: settings → foundation → phase → exports."""

import os
import sys

import pulumi

from infra import settings
from infra.foundation import foundation
from infra.outputs import export
from infra.phase import workers
from videogen import project
from videogen.errors import InputError

ALREADY_SAID = 32
"""With this code Pulumi's Python host adds no words of its own to an error."""

try:
    stack = settings.read(pulumi.get_stack(), project.root(), pulumi.runtime.get_config_env(), os.environ)
    settings.require_possible(stack)
except InputError as error:
    pulumi.log.error(settings.spell(error))
    sys.exit(ALREADY_SAID)

place, access = foundation(stack)
export(stack, place, access, workers(stack, place, access))
