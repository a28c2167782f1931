"""Pods as machines: which are ours, and what we call them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from videogen import gpu, tag
from videogen.clouds import Candidate, Machine
from videogen.clouds.runpod_answers import Pod
from videogen.clouds.runpod_order import GATEWAY_PORT
from videogen.store import log_key
from videogen.worker_environment import PREFIX

NAME = "runpod"


@dataclass(frozen=True)
class PodReader:
    """The pods of an account as one owner sees them."""

    owner: str
    outputs: str
    """The bucket where their logs are."""
    proxy: str
    """A template of a port's address."""

    def ours(self, pod: Pod) -> bool:
        """Whether its name has our tag and its environment, where RunPod shows it, says the same."""
        name = tag.untagged(self.owner, pod.name)
        return name is not None and (pod.env is None or pod.env.get(f"{PREFIX}WORKER") == name)

    def machine(self, pod: Pod, before: Candidate | Machine | None = None) -> Machine:
        """A pod as a machine; `before` knows the price where RunPod tells none, and how we call the GPU."""
        name = tag.untagged(self.owner, pod.name) or pod.name
        stack, slot = _stack_and_slot(name)
        env = pod.env or {}
        url = self.proxy.format(pod=pod.id, port=GATEWAY_PORT)
        return Machine(
            name=name,
            cloud=NAME,
            stack=stack,
            slot=slot,
            phase=env.get(f"{PREFIX}PHASE", "") or getattr(before, "phase", ""),
            gpu=before.gpu if before else _our_gpu(pod),
            dollars_per_hour=pod.cost or _price(before),
            started=pod.created_at,
            state=_state(pod),
            url=url,
            agent=f"{url}/videogen",
            log=f"s3://{self.outputs}/{log_key(name, 0, 0).rpartition('/')[0]}/",
            id=pod.id,
            place=pod.data_center_id or "",
            lease_minutes=_minutes(env.get(f"{PREFIX}LEASE_MINUTES", "")),
        )

    def stranger(self, pod: Pod) -> str | None:
        """Words for a pod that carries a tag of video-gen and is not ours; nothing for one of ours."""
        if self.ours(pod):
            return None
        mine = tag.untagged(self.owner, pod.name)
        why = "its environment is not that of a worker of ours" if mine else "another owner's"
        return f"{pod.name} ({pod.id}), ${pod.cost}/h: {why}"


def _state(pod: Pod) -> Literal["running", "exited"]:
    """Also what RunPod may say one day counts as running: it may bill."""
    return "exited" if pod.status in ("EXITED", "ERROR") else "running"


def _stack_and_slot(name: str) -> tuple[str, str]:
    """`phase-c-1-0f3a` → `phase-c`, `1`."""
    rest = name.rpartition("-")[0]
    stack, _, slot = rest.rpartition("-")
    return stack, slot


def _our_gpu(pod: Pod) -> str:
    kind = pod.gpu.id if pod.gpu else ""
    return next((name for name, kinds in gpu.RUNPOD.items() if kind in kinds), kind)


def _price(before: Candidate | Machine | None) -> Decimal:
    """The most that an hour may cost, as far as it was known before."""
    if isinstance(before, Candidate):
        return before.price or before.ceiling
    return before.dollars_per_hour if before else Decimal(0)


def _minutes(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0
