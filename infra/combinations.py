"""Combinations of settings that no stack can be."""

import re
from collections.abc import Iterator

from infra import runpod_terms, wanted_store
from infra.settings import Settings
from infra.stack_file import StackFile
from videogen.errors import Fault
from videogen.gpu import RUNPOD, rentable
from videogen.money import over_cap

_REFERENCE = re.compile(r"[a-z0-9][a-zA-Z0-9._/:-]*(:[A-Za-z0-9_][A-Za-z0-9._-]*|@sha256:[0-9a-f]{64})")


def impossible(settings: Settings, file: StackFile) -> Iterator[Fault]:
    """Combinations that no stack can be."""
    yield from _of_the_foundation(settings, file)
    if settings.phase is None:
        yield from _without_phase(settings, file)
        return
    at = file.fault
    if settings.cloud is None:
        yield at(("cloud",), f"is required for phase {settings.phase}", "one of: local, runpod")
    if settings.workers == 0:
        yield at(("workers",), "should be 1 to 4, got 0")
    if not settings.workflows:
        yield at(("workflows",), f"needs at least one for phase {settings.phase}")
    if settings.cloud == "local":
        yield from _on_this_machine(settings, file)
    if settings.cloud == "runpod":
        yield from _rented(settings, file)
    if settings.rent is None:
        yield at(("rent",), f"is required for phase {settings.phase}")
    if settings.lease is None:
        yield at(("lease",), f"is required for phase {settings.phase}")
        return
    for part in ("idle", "boot"):
        if getattr(settings.lease, part) > settings.lease.total:
            yield at(("lease", part), f"is longer than the whole lease of {settings.lease.total:g} minutes")
    dearest = max((offer.dollars_per_hour for offer in rentable(settings.cloud, settings.gpus)), default=None)
    if dearest is not None:
        reason = over_cap(settings.cap, settings.workers, dearest, settings.lease.total)
        if reason:
            yield at(("cap",), reason, "fewer workers, a shorter lease, or a higher cap")


def _of_the_foundation(settings: Settings, file: StackFile) -> Iterator[Fault]:
    at = file.fault
    if settings.foundation is None and settings.foundation_stack is None:
        hint = "name the stack whose foundation is used, such as `prod`"
        yield at(("foundationStack",), "is required where foundation is none", hint)
    if settings.foundation is not None and settings.foundation_stack is not None:
        yield at(("foundationStack",), f"should be none: this stack has its own foundation, {settings.foundation}")
    if settings.foundation is None and settings.store is not None:
        yield at(("store",), "should be none where foundation is none: the store is that of the foundation's stack")
    if settings.foundation is None:
        for name in ("store_access", "worker_access"):
            if getattr(settings, name) is not None:
                yield at((Settings.model_fields[name].alias or name,), "should be none where foundation is none")
    for fault in runpod_terms.impossible(
        settings.foundation, settings.runpod_lasting, settings.registry_login, file.clear
    ):
        yield at(*fault)
    if settings.foundation is not None and settings.store is None:
        yield at(("store",), f"is required where foundation is {settings.foundation}")
    if settings.store is not None:
        if settings.store.models == settings.store.outputs:
            yield at(("store", "outputs"), f"should differ from models: both are {settings.store.outputs}")
        keys = (settings.store_access, settings.worker_access)
        for fault in wanted_store.impossible(settings.foundation, settings.store, *keys, file.clear):
            yield at(*fault)


def _on_this_machine(settings: Settings, file: StackFile) -> Iterator[Fault]:
    at = file.fault
    if settings.gpus:
        yield at(("gpus",), "should be []: the local cloud has nothing to choose from")
    if settings.foundation != "local":
        yield at(("foundation",), "should be local, as the cloud is")
    if settings.image is None:
        yield at(("image",), f"is required for phase {settings.phase}", "a folder of images/, such as `comfyui`")
    if settings.ssh_public_keys:
        yield at(("sshPublicKeys",), "should be []: there is no sshd on a local worker")


def _rented(settings: Settings, file: StackFile) -> Iterator[Fault]:
    at = file.fault
    if not rentable(settings.cloud, settings.gpus):
        known = ", ".join(name for name, ids in RUNPOD.items() if ids)
        yield at(("gpus",), f"needs at least one that runpod rents out: {known}")
    for index, offer in enumerate(settings.gpus):
        if offer.gpu in {earlier.gpu for earlier in settings.gpus[:index]}:
            yield at(("gpus", index, "gpu"), f"stands twice: {offer.gpu}")
    if settings.foundation == "local":
        yield at(("foundation",), "rented workers cannot reach a store on this machine", "one of: aws, s3, none")
    if settings.image is not None and not _REFERENCE.fullmatch(settings.image):
        hint = "such as `ghcr.io/me/video-gen-worker:1`, which a machine elsewhere can pull"
        yield at(("image",), f"should be the reference of an image with its tag or digest, got {settings.image}", hint)
    if settings.container_disk_gb == 0:
        yield at(("containerDiskGb",), "should be more than 0: a rented worker's models lie there")


def _without_phase(settings: Settings, file: StackFile) -> Iterator[Fault]:
    wanted: dict[str, object] = {"cloud": None, "gpus": (), "workers": 0, "image": None, "workflows": (), "lease": None}
    wanted |= {"rent": None, "cuda": None, "ssh_public_keys": ()}
    for name, value in wanted.items():
        if getattr(settings, name) != value:
            word = "none" if value is None else "[]" if value == () else value
            key = Settings.model_fields[name].alias or name
            yield file.fault((key,), f"should be {word} where phase is none")
    if settings.foundation is None:
        yield file.fault(("phase",), "the stack declares nothing: neither a foundation nor a phase")
