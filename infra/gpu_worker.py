"""The resource `videogen:index:GpuWorker`, the only one that rents; what it does is in `provider/gpu_worker.py`."""

from typing import Any

import pulumi


class GpuWorker(pulumi.CustomResource):
    """A worker that is proven ready; the same for every cloud."""

    name: pulumi.Output[str]
    cloud: pulumi.Output[str]
    gpu: pulumi.Output[str]
    url: pulumi.Output[str]
    agent: pulumi.Output[str]
    dollars_per_hour: pulumi.Output[str]
    token: pulumi.Output[str]
    """Secret."""

    def __init__(self, name: str, inputs: dict[str, Any]) -> None:
        made = dict.fromkeys(("name", "gpu", "dollarsPerHour", "started", "url", "agent", "token", "boot"))
        options = pulumi.ResourceOptions(additional_secret_outputs=["access", "token"])
        super().__init__("videogen:index:GpuWorker", name, inputs | made, options)

    def translate_output_property(self, prop: str) -> str:
        """The engine's name of a property, as this class spells it."""
        return {"dollarsPerHour": "dollars_per_hour"}.get(prop, prop)
