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
        made = dict.fromkeys(("name", "gpu", "dollars_per_hour", "started", "url", "agent", "token", "boot"))
        options = pulumi.ResourceOptions(additional_secret_outputs=["access", "token"])
        super().__init__("videogen:index:GpuWorker", name, inputs | made, options)
