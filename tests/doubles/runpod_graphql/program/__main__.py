"""What a stack declares of its lasting things on RunPod, and nothing else: `TERMS` and `LOGIN` are its settings."""

import json
import os

import pulumi

from infra.runpod_lasting import RunpodLasting
from infra.runpod_terms import RegistryLogin, RunpodTerms

terms = RunpodTerms.model_validate_json(os.environ["TERMS"])
login = json.loads(os.environ["LOGIN"])
made = RunpodLasting("runpod", terms, RegistryLogin.model_validate(login) if login else None, "1a2b3c4d")
pulumi.export("volume", made.volume)
pulumi.export("template", made.template)
pulumi.export("login", made.login)
