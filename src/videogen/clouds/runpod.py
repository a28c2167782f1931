"""Workers on RunPod: pods of Secure Cloud, over REST v2.

What RunPod lacks is made up for here: it knows no list of GPUs to fall back on, no idempotent create, no deadline, and
its word that a pod is deleted is no proof. A pod's name carries our tag from the start, and its environment says which
machine it is; both must agree before anybody ends it.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from videogen import gpu, tag
from videogen.clouds import Candidate, Ended, Machine, Volume, WorkerSpec
from videogen.clouds.environment import environment
from videogen.clouds.runpod_answers import GpuType, NetworkVolume, Pod, first_fault, parsed
from videogen.clouds.runpod_catalog import candidates
from videogen.errors import CloudBusy, CloudError, CloudUnknown, NoCapacity
from videogen.pace import Pace
from videogen.runpod_api import Denied, RateLimited, Refused, RunpodApi
from videogen.stack_outputs import Store
from videogen.store import log_key
from videogen.worker_environment import PREFIX, WorkerEnvironment

NAME = "runpod"
PROXY = "https://{pod}-{port}.proxy.runpod.net"
"""How RunPod's proxy calls a pod's port."""

_GATEWAY_PORT = 8080
_SSH_PORT = 2222
_INSIDE = {"comfyui_port": 8188, "agent_port": 8189}
_WORKSPACE = Path("/workspace")
_NEXT_CANDIDATE = (400, 403, 404)
"""What a create may be refused with although another candidate may be taken: RunPod has no word for `none is free`."""
_GONE_SECONDS = 90.0
_AGAIN_SECONDS = 15.0
_LOOKS = (0.5, 1.0, 2.0, 3.0)
"""Seconds between the looks whether a pod is gone; the last one stays."""
_DOLLARS_PER_GB = ((1000, Decimal("0.07")), (None, Decimal("0.05")))
"""Dollars a month for a gigabyte of network volume, to so many gigabytes and above: https://docs.runpod.io/pods/pricing."""


class RunpodCloud:
    """A `videogen.clouds.Cloud`: the pods of one owner in the account of `api`.

    `proxy`: a template of a port's address; `worker_api`: where workers find the API, if not at its usual place.
    """

    name = NAME

    def __init__(
        self, api: RunpodApi, store: Store, *, proxy: str = PROXY, worker_api: str = "", pace: Pace | None = None
    ) -> None:
        self._api = api
        self._store = store
        self._owner = tag.owner(store)
        self._proxy = proxy
        self._worker_api = worker_api
        self._pace = pace or Pace()

    def candidates(self, spec: WorkerSpec) -> tuple[Candidate, ...]:
        """Each GPU in each place; where a network volume is mounted, only in its place."""
        places: tuple[str | None, ...] = spec.places or (None,)
        if spec.network_volume_id:
            home = self._volume(spec.network_volume_id).dataCenter
            if spec.places and home not in spec.places:
                raise CloudError(
                    f"network volume {spec.network_volume_id} is in {home}, not in {', '.join(spec.places)}",
                    f"name {home} in `places`, or another volume",
                )
            places = (home,)
        return candidates(spec.offers, places, self._catalog(spec))

    def machines(self, stack: str | None = None) -> tuple[Machine, ...]:
        """Every pod of this owner that is not terminated."""
        found = [self._machine(pod) for pod in self._pods() if self._ours(pod)]
        return tuple(machine for machine in found if stack in (None, machine.stack))

    def strangers(self) -> tuple[str, ...]:
        """Pods of other owners, and those that only carry our tag."""
        return tuple(
            f"{pod.name} ({pod.id}), ${pod.cost}/h: "
            + (
                "its environment is not that of a worker of ours"
                if tag.untagged(self._owner, pod.name)
                else "another owner's"
            )
            for pod in self._pods()
            if pod.name.startswith(tag.PREFIX) and not self._ours(pod)
        )

    def create(self, spec: WorkerSpec, candidate: Candidate, name: str) -> Machine:
        """One pod; RunPod is asked once, whatever it says."""
        variables = self._environment(spec, name)
        try:
            answer = self._api.order("POST", "/pods", self._wanted(spec, candidate, name, variables), variables.secrets)
        except Refused as error:
            raise _refusal(error, candidate) from error
        try:
            pod = Pod.model_validate(answer.body)
        except ValidationError as error:
            raise CloudUnknown(f"{name} may be there: an odd answer to its create: {first_fault(error)}") from None
        return self._machine(pod, candidate)

    def get(self, name: str, known: Machine | None = None) -> Machine | None:
        """By its id where that is known: only that proves an absence beyond doubt."""
        found = self._look(name, known)
        return self._machine(found[0], known) if found else None

    def end(self, name: str, *, why: str, by: str, known: Machine | None = None) -> Ended | None:  # noqa: ARG002
        """Orders the end, again and again, until RunPod knows the pod no more.

        `why` and `by` are in the receipt: a pod takes no note.
        """
        found = self._look(name, known)
        if not found:
            return None
        machine = self._machine(found[0], known)
        return Ended(machine, max(self._delete(pod) for pod in found), machine.log)

    def billed(self, machine: Machine) -> Decimal | None:
        """The sum of its records since it was created."""
        if not machine.id:
            return None
        begin = machine.started.replace(minute=0, second=0, microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")
        answer = self._api.get("/billing/pods", podId=machine.id, startTime=begin, bucketSize="hour")
        try:
            records = [record for record in answer.body["records"] if record["podId"] == machine.id]
            return sum((Decimal(record["totalAmount"]) for record in records), Decimal(0)) if records else None
        except (TypeError, KeyError, ArithmeticError):
            raise CloudUnknown(f"{machine.name}: an odd answer: no bill") from None

    def volumes(self) -> tuple[Volume, ...]:
        """Network volumes that carry this owner's tag."""
        found = []
        for item in self._api.pages("/network-volumes", "networkVolumes"):
            volume = parsed(NetworkVolume, item)
            if name := tag.untagged(self._owner, volume.name):
                month = _month(volume.size)
                found.append(Volume(name, NAME, volume.id, volume.size, volume.dataCenter, month))
        return tuple(found)

    def _volume(self, volume: str) -> NetworkVolume:
        answer = self._api.get(f"/network-volumes/{volume}")
        if answer.status == 404:
            raise CloudError(
                f"RunPod has no network volume {volume}", "its foundation made it: `pulumi up` there first"
            )
        return parsed(NetworkVolume, answer.body)

    def _catalog(self, spec: WorkerSpec) -> dict[str, GpuType]:
        query = {"include": "AVAILABILITY", "product": "POD", "cloud": "SECURE"}
        if spec.cuda:
            query["minCudaVersion"] = spec.cuda
        answer = self._api.get("/catalog/gpus", **query)
        items = answer.body.get("gpus") if isinstance(answer.body, dict) else None
        if not isinstance(items, list):
            raise CloudUnknown("RunPod: an odd answer: no catalog")
        wanted = {kind for offer in spec.offers for kind in gpu.RUNPOD[offer.gpu]}
        return {
            item["id"]: parsed(GpuType, item) for item in items if isinstance(item, dict) and item.get("id") in wanted
        }

    def _pods(self) -> Iterator[Pod]:
        """Every pod with a tag of video-gen; those of others are not looked into, however odd they are."""
        for item in self._api.pages("/pods", "pods"):
            name = item.get("name")
            if not isinstance(name, str):
                raise CloudUnknown("RunPod: an odd answer: a pod without a name")
            if name.startswith(tag.PREFIX) and (pod := parsed(Pod, item)).status != "TERMINATED":
                yield pod

    def _look(self, name: str, known: Machine | None) -> list[Pod]:
        """The pod of a machine, or none; raises `CloudError` for a stranger's.

        Several only where RunPod made more of one create than it said.
        """
        if known is None or not known.id:
            found = [pod for pod in self._pods() if pod.name == tag.tagged(self._owner, name)]
        else:
            pod, _ = self._pod(known.id)
            found = [pod] if pod else []
        ours = [pod for pod in found if tag.untagged(self._owner, pod.name) == name and self._ours(pod)]
        if found and not ours:
            raise CloudError(
                f"{found[0].name} ({found[0].id}) is not {name}: its name or its environment says otherwise"
            )
        return ours

    def _pod(self, wanted: str) -> tuple[Pod | None, datetime]:
        """A pod, or nothing where that is proven; and when RunPod said so, by its clock."""
        answer = self._api.get(f"/pods/{wanted}")
        if answer.status == 404:
            return None, answer.date
        pod = parsed(Pod, answer.body)
        if pod.id != wanted:
            raise CloudUnknown(f"RunPod: an odd answer: asked for pod {wanted}, it spoke of {pod.id}")
        return (None if pod.status == "TERMINATED" else pod), answer.date

    def _delete(self, pod: Pod) -> datetime:
        """Ends a pod; when it was proven gone, by RunPod's clock."""
        deadline = self._pace.now() + _GONE_SECONDS
        ordered, looks, said = float("-inf"), 0, "it lives on"
        while True:
            try:
                if self._pace.now() - ordered >= _AGAIN_SECONDS:
                    ordered = self._pace.now()
                    self._api.delete(f"/pods/{pod.id}")
                left, date = self._pod(pod.id)
                if left is None:
                    return date
                said = f"RunPod took the order, yet it lives on as {left.status}"
            except Denied:
                raise
            except CloudUnknown as error:
                said = error.message
            if self._pace.now() >= deadline:
                raise CloudUnknown(
                    f"{pod.name} ({pod.id}) is not proven gone after {_GONE_SECONDS:g} s: {said}",
                    "end it at https://console.runpod.io/pods, then `videogen sweep`",
                )
            self._pace.sleep(_LOOKS[min(looks, len(_LOOKS) - 1)])
            looks += 1

    def _ours(self, pod: Pod) -> bool:
        """Whether its name has our tag and its environment, where RunPod shows it, says the same."""
        name = tag.untagged(self._owner, pod.name)
        return name is not None and (pod.env is None or pod.env.get(f"{PREFIX}WORKER") == name)

    def _machine(self, pod: Pod, before: Candidate | Machine | None = None) -> Machine:
        """`before` knows the price where RunPod tells none, and by which name of ours the GPU was rented."""
        name = tag.untagged(self._owner, pod.name) or pod.name
        stack, slot = _stack_and_slot(name)
        env = pod.env or {}
        url = self._proxy.format(pod=pod.id, port=_GATEWAY_PORT)
        return Machine(
            name=name,
            cloud=NAME,
            stack=stack,
            slot=slot,
            phase=env.get(f"{PREFIX}PHASE", "") or getattr(before, "phase", ""),
            gpu=before.gpu if before else _our_gpu(pod),
            dollars_per_hour=pod.cost or _price(before),
            started=pod.createdAt,
            state=_state(pod),
            url=url,
            agent=f"{url}/videogen",
            log=f"s3://{self._store.outputs}/{log_key(name, 0, 0).rpartition('/')[0]}/",
            id=pod.id,
            place=pod.dataCenterId or "",
            lease_minutes=_minutes(env.get(f"{PREFIX}LEASE_MINUTES", "")),
        )

    def _environment(self, spec: WorkerSpec, name: str) -> WorkerEnvironment:
        return environment(
            spec,
            name,
            _WORKSPACE,
            **_INSIDE,
            volume=bool(spec.network_volume_id),
            gateway_port=_GATEWAY_PORT,
            ssh_port=_SSH_PORT,
            ssh_public_keys=spec.ssh_public_keys,
            restarts_bill=True,
            runpod_url=self._worker_api,
        )

    def _wanted(
        self, spec: WorkerSpec, candidate: Candidate, name: str, variables: WorkerEnvironment
    ) -> dict[str, Any]:
        """The body of a create."""
        ports = [f"{_GATEWAY_PORT}/http", *([f"{_SSH_PORT}/tcp"] if spec.ssh_public_keys else [])]
        body: dict[str, Any] = {
            "name": tag.tagged(self._owner, name),
            "image": spec.image,
            "disk": spec.container_disk_gb,
            "ports": ports,
            "env": variables.variables(),
            "cloud": "SECURE",
            "gpu": {"id": candidate.id, "count": 1} | ({"minCudaVersion": spec.cuda} if spec.cuda else {}),
        }
        if candidate.place:
            body["dataCenterIds"] = [candidate.place]
        if spec.network_volume_id:
            mount = {"volumeId": spec.network_volume_id, "path": str(_WORKSPACE / "data")}
            body["mounts"] = {"network": [mount]}
        if spec.registry_id:
            body["registry"] = spec.registry_id
        return body


def _refusal(error: Refused, candidate: Candidate) -> CloudError:
    """What a refused create means; nothing was created."""
    if isinstance(error, RateLimited):
        return CloudBusy(f"RunPod: {error.detail}", error.seconds)
    if error.status in _NEXT_CANDIDATE:
        return NoCapacity(f"{candidate}: {error.detail}", error.hint)
    if error.status == 402:
        return CloudError(
            f"RunPod's account has too little money: {error.detail}",
            "add credit at https://console.runpod.io/user/billing; a pod wants an hour of its price to start",
        )
    if error.status == 422:
        return CloudError(f"RunPod does not understand the order for {candidate}: {error.detail}", error.hint)
    return CloudError(error.message, error.hint)


def _state(pod: Pod) -> Literal["running", "exited"]:
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


def _month(size_gb: int) -> Decimal:
    total, counted = Decimal(0), 0
    for until, dollars in _DOLLARS_PER_GB:
        part = max(0, (size_gb if until is None else min(size_gb, until)) - counted)
        total += part * dollars
        counted += part
    return total
