"""The resource `videogen:index:GpuWorker`, the only one that rents; what it does is in `provider/gpu_worker.py`."""

from typing import Any

import pulumi

MADE = (
    *("name", "id", "gpu", "place", "dollars_per_hour", "started", "lease_minutes", "url", "agent", "log"),
    *("token", "boot"),
)
"""Every output that is no input, known only when the worker exists.

`boot` has the seconds of each step; the others but `token` are the fields of `videogen.clouds.Machine`.
"""

SECRET = ("access", "workerAccess", "token")


class GpuWorker(pulumi.CustomResource):
    """A worker that is proven ready; the same for every cloud. Has each input and each of `MADE` as an attribute."""

    name: pulumi.Output[str]
    token: pulumi.Output[str]
    """Secret."""

    def __init__(self, name: str, inputs: dict[str, Any], *, after: pulumi.Resource) -> None:
        options = pulumi.ResourceOptions(additional_secret_outputs=list(SECRET), depends_on=[after])
        super().__init__("videogen:index:GpuWorker", name, inputs | dict.fromkeys(MADE), options)
