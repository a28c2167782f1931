"""The resource `videogen:index:LocalStore`; what it does is in `provider/local_store.py`."""

from collections.abc import Mapping

import pulumi

MADE = ("place", "access", "running")
"""Every output that is no input."""

SECRET = ("access",)


class LocalStore(pulumi.CustomResource):
    """An S3 store on this machine, filled from the manifest. What it holds stays when the resource is destroyed."""

    place: pulumi.Output[dict[str, str]]
    """`videogen.stack_outputs.Store`."""
    access: pulumi.Output[dict[str, str]]
    """`videogen.stack_outputs.StoreAccess`; secret."""

    def __init__(
        self, name: str, *, stack: str, manifest: str, file: str, wanted: Mapping[str, str], after: pulumi.Resource
    ) -> None:
        inputs = {"stack": stack, "manifest": manifest, "file": file, "wanted": wanted}
        options = pulumi.ResourceOptions(additional_secret_outputs=list(SECRET), depends_on=[after])
        super().__init__("videogen:index:LocalStore", name, inputs | dict.fromkeys(MADE), options)
