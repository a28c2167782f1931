"""Workers on RunPod: pods of Secure Cloud, over REST v2.

What RunPod lacks is made up for here: it knows no list of GPUs to fall back on, no idempotent create, no deadline, and
its word that a pod is deleted is no proof. A pod's name carries our tag from the start, and its environment says which
machine it is; both must agree before anybody ends it.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from pydantic import ValidationError

from videogen import gpu, tag
from videogen.clouds import Candidate, Ended, Machine, Volume, WorkerSpec
from videogen.clouds.runpod_answers import GpuType, NetworkVolume, Pod, first_fault, parsed
from videogen.clouds.runpod_catalog import candidates
from videogen.clouds.runpod_order import order, refusal, told
from videogen.clouds.runpod_pods import NAME, PodReader
from videogen.errors import CloudError, CloudUnknown
from videogen.pace import Pace
from videogen.runpod_api import Denied, Refused, RunpodApi
from videogen.stack_outputs import Store

PROXY = "https://{pod}-{port}.proxy.runpod.net"
"""How RunPod's proxy calls a pod's port."""
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
        self._owner = tag.owner(store)
        self._reader = PodReader(self._owner, store.outputs, proxy)
        self._worker_api = worker_api
        self._pace = pace or Pace()

    @property
    def account(self) -> str:
        """Of the API's key."""
        return self._api.account

    def candidates(self, spec: WorkerSpec) -> tuple[Candidate, ...]:
        """Each GPU in each place; where a network volume is mounted, only in its place."""
        places: tuple[str | None, ...] = spec.places or (None,)
        if spec.network_volume_id:
            home = self._volume(spec.network_volume_id).data_center
            if spec.places and home not in spec.places:
                raise CloudError(
                    f"network volume {spec.network_volume_id} is in {home}, not in {', '.join(spec.places)}",
                    f"name {home} in `places`, or another volume",
                )
            places = (home,)
        return candidates(spec.offers, places, self._catalog(spec))

    def machines(self, stack: str | None = None) -> tuple[Machine, ...]:
        """Every pod of this owner that is not terminated."""
        found = [self._reader.machine(pod) for pod in self._pods() if self._reader.ours(pod)]
        return tuple(machine for machine in found if stack in (None, machine.stack))

    def strangers(self) -> tuple[str, ...]:
        """Pods of other owners, and those that only carry our tag."""
        return tuple(words for pod in self._pods() if (words := self._reader.stranger(pod)))

    def create(self, spec: WorkerSpec, candidate: Candidate, name: str) -> Machine:
        """One pod; RunPod is asked once, whatever it says."""
        worker = told(spec, name, self._worker_api)
        body = order(spec, candidate, tag.tagged(self._owner, name), worker)
        try:
            answer = self._api.order("POST", "/pods", body, worker.secrets)
        except Refused as error:
            raise refusal(error, candidate) from error
        try:
            pod = Pod.model_validate(answer.body)
        except ValidationError as error:
            raise CloudUnknown(f"{name} may be there: an odd answer to its create: {first_fault(error)}") from None
        return self._reader.machine(pod, candidate)

    def get(self, name: str, known: Machine | None = None) -> Machine | None:
        """By its id where that is known: only that proves an absence beyond doubt."""
        found, _ = self._look(name, known)
        return self._reader.machine(found[0], known) if found else None

    def end(self, name: str, *, why: str, by: str, known: Machine | None = None) -> Ended | None:  # noqa: ARG002
        """Orders the end, again and again, until RunPod knows the pod no more.

        `why` and `by` are in the receipt: a pod takes no note.
        """
        found, seen = self._look(name, known)
        if not found:
            return None
        machine = self._reader.machine(found[0], known)
        ends = [self._delete(pod, seen) for pod in found]
        return Ended(machine, max(ended for ended, _ in ends), machine.log, ends[0][1])

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
                found.append(Volume(name, NAME, volume.id, volume.size, volume.data_center, month))
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

    def _look(self, name: str, known: Machine | None) -> tuple[list[Pod], datetime | None]:
        """The pod of a machine, or none, and when RunPod said so, where it said that; `CloudError` for a stranger's.

        Several only where RunPod made more of one create than it said.
        """
        date: datetime | None = None
        if known is None or not known.id:
            found = [pod for pod in self._pods() if pod.name == tag.tagged(self._owner, name)]
        else:
            pod, date = self._pod(known.id)
            found = [pod] if pod else []
        ours = [pod for pod in found if tag.untagged(self._owner, pod.name) == name and self._reader.ours(pod)]
        if found and not ours:
            raise CloudError(
                f"{found[0].name} ({found[0].id}) is not {name}: its name or its environment says otherwise"
            )
        return ours, date

    def _pod(self, wanted: str) -> tuple[Pod | None, datetime]:
        """A pod, or nothing where that is proven; and when RunPod said so, by its clock."""
        answer = self._api.get(f"/pods/{wanted}")
        if answer.status == 404:
            return None, answer.date
        pod = parsed(Pod, answer.body)
        if pod.id != wanted:
            raise CloudUnknown(f"RunPod: an odd answer: asked for pod {wanted}, it spoke of {pod.id}")
        return (None if pod.status == "TERMINATED" else pod), answer.date

    def _delete(self, pod: Pod, seen: datetime | None) -> tuple[datetime, datetime | None]:
        """Ends a pod; when it was proven gone, and when it was last `seen` before, by RunPod's clock."""
        deadline = self._pace.now() + _GONE_SECONDS
        ordered, looks, said = float("-inf"), 0, "it lives on"
        while True:
            try:
                if self._pace.now() - ordered >= _AGAIN_SECONDS:
                    ordered = self._pace.now()
                    answer = self._api.delete(f"/pods/{pod.id}")
                    seen = seen if answer.status == 404 else answer.date
                left, date = self._pod(pod.id)
                if left is None:
                    return date, seen
                seen = date
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


def _month(size_gb: int) -> Decimal:
    total, counted = Decimal(0), 0
    for until, dollars in _DOLLARS_PER_GB:
        part = max(0, (size_gb if until is None else min(size_gb, until)) - counted)
        total += part * dollars
        counted += part
    return total
