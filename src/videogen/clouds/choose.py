"""A cloud by the name that a stack file gives it."""

import os

from videogen.clouds import Cloud, local, runpod, runpod_pods
from videogen.errors import CloudError
from videogen.pace import Pace
from videogen.runpod_api import KEY_HINT, URL, RunpodApi
from videogen.secret import Secret
from videogen.stack_outputs import Store

NAMES = (local.NAME, runpod_pods.NAME)


def choose(cloud: str, stack: str, store: Store, pace: Pace | None = None) -> Cloud:
    """The cloud, as the owner of `store` sees it; `stack` matters to `local` only, which knows no other one.

    RunPod is reached with `RUNPOD_API_KEY`, at `VIDEOGEN_RUNPOD_URL` and its pods at `VIDEOGEN_RUNPOD_PROXY`, where
    these are set. Raises `CloudError` without a key, or for a name that is none of `NAMES`.
    """
    if cloud == local.NAME:
        return local.here(stack)
    if cloud != runpod_pods.NAME:
        raise CloudError(f"no cloud {cloud}", f"one of: {', '.join(NAMES)}")
    key = os.environ.get("RUNPOD_API_KEY", "")
    if not key:
        raise CloudError("RunPod cannot be asked without a key", KEY_HINT)
    url = os.environ.get("VIDEOGEN_RUNPOD_URL", "")
    api = RunpodApi(url or URL, Secret(key), pace=pace)
    proxy = os.environ.get("VIDEOGEN_RUNPOD_PROXY", "") or runpod.PROXY
    return runpod.RunpodCloud(api, store, proxy=proxy, worker_api=url, pace=pace)
