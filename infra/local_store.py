"""The resource `videogen:index:LocalStore`; what it does is in `provider/local_store.py`."""

from collections.abc import Mapping

import pulumi


class LocalStore(pulumi.CustomResource):
    """An S3 store on this machine, filled from the manifest. What it holds stays when the resource is destroyed."""

    place: pulumi.Output[dict[str, str]]
    """`videogen.stack_outputs.Store`."""
    access: pulumi.Output[dict[str, str]]
    """`videogen.stack_outputs.StoreAccess`; secret."""

    def __init__(self, name: str, *, stack: str, manifest: str, file: str, wanted: Mapping[str, str]) -> None:
        inputs = {"stack": stack, "manifest": manifest, "file": file, "wanted": wanted}
        made = dict.fromkeys(("place", "access", "running"))
        options = pulumi.ResourceOptions(additional_secret_outputs=["access"])
        super().__init__("videogen:index:LocalStore", name, inputs | made, options)
