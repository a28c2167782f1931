"""The resource `videogen:index:LocalFolder`; what it does is in `provider/local_folder.py`."""

import pulumi


class LocalFolder(pulumi.CustomResource):
    """A stack's folder on this machine: the first to come and the last to go, so that nothing is left in it alive."""

    def __init__(self, name: str, *, stack: str) -> None:
        super().__init__("videogen:index:LocalFolder", name, {"stack": stack})
