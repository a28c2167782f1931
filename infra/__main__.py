"""What exists on a stack: settings → foundation → phase → exports."""

import os
import sys

import pulumi

from infra import configuration
from infra.foundation import foundation
from infra.foundation_stack import foundation_of
from infra.outputs import export
from infra.phase import workers
from videogen import project
from videogen.errors import InputError

ALREADY_SAID = 32
"""With this code Pulumi's Python host adds no words of its own to an error."""

try:
    stack = configuration.read(pulumi.get_stack(), project.root(), pulumi.runtime.get_config_env(), os.environ)
    configuration.require_possible(stack, os.environ)
except InputError as error:
    pulumi.log.error(configuration.spell(error))
    sys.exit(ALREADY_SAID)

ground = foundation(stack) or foundation_of(stack)
export(stack, ground, workers(stack, ground))
