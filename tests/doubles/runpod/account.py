"""The account behind the API: pods, volumes, templates and registries under the rules of RunPod. Knows no HTTP."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.doubles.runpod.catalog import MOST_OF_ONE, REGIONS, WITHOUT_VOLUMES, Catalog, GpuType
from tests.doubles.runpod.clock import Clock
from tests.doubles.runpod.faults import OF_NEW_PODS, Fault, FaultBook
from tests.doubles.runpod.pod import ACTIONS, Pod, identifier
from tests.doubles.runpod.problem import NO_CAPACITY, Problem
from tests.doubles.runpod.schemas import CreatePod, CreateVolume, PodAction, UpdatePod, UpdateVolume

MOST_VARIABLES = 50


@dataclass
class StoredVolume:
    """A network volume."""

    name: str
    size: int
    place: str
    type: str
    created: datetime
    id: str = field(default_factory=lambda: identifier(10))
    ended: datetime | None = None
    growth: list[tuple[datetime, int]] = field(default_factory=list)
    """Sizes before, each with when it was outgrown."""

    def body(self) -> dict[str, Any]:
        """As the API shows it."""
        return {"id": self.id, "name": self.name, "size": self.size, "dataCenter": self.place, "type": self.type}


class Account:
    """One account. Every method is one step under `lock`; raises `Problem`."""

    def __init__(self, clock: Clock, provisioning: float, starting: float) -> None:
        self.clock, self.faults, self.catalog = clock, FaultBook(), Catalog()
        self.provisioning, self.starting = timedelta(seconds=provisioning), timedelta(seconds=starting)
        self.lock = threading.RLock()
        self.pods: dict[str, Pod] = {}
        self.volumes: dict[str, StoredVolume] = {}
        self.templates: dict[str, dict[str, Any]] = {}
        self.registries: dict[str, dict[str, Any]] = {}
        self.balance: Decimal | None = None
        """Dollars; nothing: enough. A create wants an hour's price of it."""

    def settle(self) -> datetime:
        """Brings every pod to the present; the time now."""
        now = self.clock()
        for pod in self.pods.values():
            if not pod.ended:
                pod.settle(now)
                if pod.ended:
                    self._free(pod)
        return now

    def alive(self) -> list[Pod]:
        """Pods that were not ended, oldest first."""
        self.settle()
        return [pod for pod in self.pods.values() if not pod.ended]

    # pods

    def create(self, asked: CreatePod) -> Pod:
        """A new pod."""
        self.settle()
        asked = self._from_template(asked)
        gpu = self._check(asked)
        assert asked.gpu
        places = self._places(asked)
        if self.faults.due("no-capacity", "create", gpu=gpu.id, places=tuple(places), name=asked.name):
            raise Problem(400, NO_CAPACITY)
        place = next((one for one in places if gpu.stock.get(one, 0) >= asked.gpu.count), None)
        if place is None:
            raise Problem(400, NO_CAPACITY)
        price = gpu.price(asked.cloud) * asked.gpu.count
        if self.balance is not None and self.balance < price:
            raise Problem(402)
        shown = {
            "image": asked.image,
            "args": asked.args or "",
            "disk": asked.disk or 20,
            "ports": asked.ports or [],
            "registry": asked.registry,
            "mounts": asked.mounts.given(),
            "globalNetworking": {"enabled": asked.global_networking},
        }
        pod = self._place(asked.name, dict(asked.env or {}), shown, gpu, asked.gpu.count, place, asked.cloud)
        for kind in OF_NEW_PODS:
            if fault := self.faults.due(kind, "create", gpu=gpu.id, places=(place,), name=pod.name):
                _misbehave(pod, fault)
        return pod

    def plant(self, name: str, env: dict[str, str], gpu: str, place: str, image: str) -> Pod:
        """A pod that somebody else made in the same account."""
        shown = {"image": image, "args": "", "disk": 20, "ports": [], "registry": None, "mounts": {}}
        shown["globalNetworking"] = {"enabled": False}
        pod = self._place(name, env, shown, self.catalog.gpus[gpu], 1, place, "SECURE")
        pod.planted = True
        return pod

    def _place(
        self, name: str, env: dict[str, str], shown: dict[str, Any], gpu: GpuType, count: int, place: str, tier: str
    ) -> Pod:
        pod = Pod(
            name,
            env,
            shown,
            gpu.id,
            count,
            place,
            tier,
            created=self.clock(),
            dollars_per_hour=gpu.price(tier) * count,
            provisioning=self.provisioning,
            starting=self.starting,
        )
        gpu.stock[place] = gpu.stock.get(place, 0) - count
        self.pods[pod.id] = pod
        return pod

    def _from_template(self, asked: CreatePod) -> CreatePod:
        if asked.template_id is None:
            return asked
        template = self._known(self.templates, asked.template_id)
        if template["serverless"]:
            raise Problem(422, errors=["templateId: must not be a serverless template"])
        taken = {key: template[key] for key in ("image", "args", "disk", "ports", "registry", "mounts")}
        sent = asked.given()
        sent["env"] = {**template["env"], **sent.get("env", {})}
        return CreatePod.model_validate({**taken, **sent})

    def _check(self, asked: CreatePod) -> GpuType:
        """The rules between fields."""
        if (asked.gpu is None) == (asked.cpu is None):
            raise Problem(400, "exactly one of gpu or cpu must be set")
        if asked.gpu is None:
            raise Problem(400, "CPU pods are not available in this account")
        if asked.gpu.allowed_cuda_versions and asked.gpu.min_cuda_version:
            raise Problem(400, "allowedCudaVersions and minCudaVersion are mutually exclusive")
        if asked.mounts.persistent and asked.mounts.network:
            raise Problem(400, "mounts.persistent and mounts.network are mutually exclusive")
        if asked.mounts.network == []:
            raise Problem(400, "mounts.network must not be empty")
        if len(asked.env or {}) > MOST_VARIABLES:
            raise Problem(400, f"at most {MOST_VARIABLES} environment variables are allowed")
        for port in asked.ports or []:
            number, _, protocol = port.partition("/")
            if not number.isdigit() or not 0 < int(number) < 65536 or protocol not in ("http", "tcp"):
                raise Problem(400, f"ports: {port!r} is not of the form port/protocol")
        if sum(port.endswith("/http") for port in asked.ports or []) > 10:
            raise Problem(400, "at most 10 HTTP ports can be exposed")
        if asked.registry is not None and asked.registry not in self.registries:
            raise Problem(404, "registry not found")
        if wrong := [place for place in asked.data_center_ids if place not in REGIONS]:
            raise Problem(400, f"unknown data center: {wrong[0]}")
        gpu = self.catalog.gpus.get(asked.gpu.id)
        if gpu is None:
            raise Problem(400, f"unknown GPU type: {asked.gpu.id}")
        if asked.gpu.count > MOST_OF_ONE:
            raise Problem(400, f"at most {MOST_OF_ONE} GPUs of this type fit on one machine")
        return gpu

    def _places(self, asked: CreatePod) -> Sequence[str]:
        places = asked.data_center_ids or list(REGIONS)
        if asked.mounts.network:
            volume = self.volume(asked.mounts.network[0].volume_id)
            if asked.cloud != "SECURE":
                raise Problem(400, "network volumes are available in the secure cloud only")
            if volume.place not in places:
                raise Problem(400, f"network volume {volume.id} is in {volume.place}")
            return [volume.place]
        return places

    def read(self, number: str) -> Pod:
        """One pod, as a reader gets it: this counts for pods that live on."""
        now = self.settle()
        pod = self._pod(number)
        self._count_reading(pod, now)
        return self._pod(number)

    def readable(self) -> list[Pod]:
        """All pods, as a reader gets them."""
        now = self.settle()
        for pod in list(self.pods.values()):
            self._count_reading(pod, now)
        return self.alive()

    def _count_reading(self, pod: Pod, now: datetime) -> None:
        if not pod.zombie or pod.ended or pod.reads_left is None:
            return
        if pod.reads_left == 0:
            self._end(pod, now)
        else:
            pod.reads_left -= 1

    def update(self, number: str, asked: UpdatePod) -> Pod:
        """Changes what was sent."""
        self.settle()
        pod = self._pod(number)
        sent = asked.given()
        if asked.template_id is not None:
            self._known(self.templates, asked.template_id)
        if asked.mounts is not None and set(sent["mounts"]) - set(pod.shown["mounts"]):
            raise Problem(400, "the kind of mount is fixed at create")
        pod.name = sent.pop("name", pod.name)
        pod.env = sent.pop("env", pod.env)
        pod.locked = sent.pop("locked", pod.locked)
        if "globalNetworking" in sent:
            pod.shown["globalNetworking"] = {"enabled": sent.pop("globalNetworking")}
        sent.pop("templateId", None)
        pod.shown.update({key: value for key, value in sent.items() if value != {}})
        return pod

    def act(self, number: str, asked: PodAction, key: str = "account") -> Pod:
        """Starts, stops, restarts or terminates it."""
        now = self.settle()
        pod = self._pod(number)
        if asked.action not in ACTIONS[pod.status(now)] or (pod.locked and asked.action in ("stop", "restart")):
            raise Problem(409)
        if asked.action == "terminate":
            self.delete(number, key)
        elif asked.action == "stop":
            pod.stops.append((now, None))
        elif asked.action == "start":
            pod.stops[-1] = (pod.stops[-1][0], now)
            pod.began = now
            pod.life += 1
        else:
            pod.life += 1
            pod.began = now - pod.provisioning
        return pod

    def delete(self, number: str, key: str = "account") -> None:
        """Ends it, unless something is wrong."""
        now = self.settle()
        pod = self._pod(number)
        if fault := self.faults.due("lives-on", "delete", gpu=pod.gpu, places=(pod.place,), name=pod.name, key=key):
            pod.zombie, pod.reads_left = True, fault.reads
        else:
            self._end(pod, now)

    def _end(self, pod: Pod, now: datetime) -> None:
        pod.ended = now
        self._free(pod)

    def _free(self, pod: Pod) -> None:
        self.catalog.gpus[pod.gpu].stock[pod.place] += pod.count

    def _pod(self, number: str) -> Pod:
        pod = self.pods.get(number)
        if pod is None or pod.ended:
            raise Problem(404, "pod not found")
        return pod

    def pod_of_key(self, key: str) -> Pod | None:
        """Whose key it is, while the pod lives."""
        return next((pod for pod in self.alive() if pod.key == key), None)

    # volumes

    def volume(self, number: str) -> StoredVolume:
        """One that was not deleted."""
        volume = self.volumes.get(number)
        if volume is None or volume.ended:
            raise Problem(404, "network volume not found")
        return volume

    def create_volume(self, asked: CreateVolume) -> StoredVolume:
        """A new network volume."""
        if asked.data_center not in REGIONS or asked.data_center in WITHOUT_VOLUMES:
            raise Problem(400, f"no network volumes in data center {asked.data_center}")
        volume = StoredVolume(asked.name, asked.size, asked.data_center, asked.type, self.clock())
        self.volumes[volume.id] = volume
        return volume

    def update_volume(self, number: str, asked: UpdateVolume) -> StoredVolume:
        """Another name; more room."""
        volume = self.volume(number)
        if asked.size is not None:
            if asked.size < volume.size:
                raise Problem(400, "size cannot be reduced")
            volume.growth.append((self.clock(), volume.size))
            volume.size = asked.size
        volume.name = asked.name or volume.name
        return volume

    def delete_volume(self, number: str) -> None:
        """Ends it, unless a pod has it."""
        volume = self.volume(number)
        for pod in self.alive():
            if any(mount["volumeId"] == number for mount in pod.shown["mounts"].get("network", [])):
                raise Problem(400, f"network volume is in use by pod {pod.id}")
        volume.ended = self.clock()

    def living_volumes(self) -> list[StoredVolume]:
        """Those that were not deleted."""
        return [volume for volume in self.volumes.values() if not volume.ended]

    @staticmethod
    def _known(things: dict[str, dict[str, Any]], number: str) -> dict[str, Any]:
        if number not in things:
            raise Problem(404)
        return things[number]


def _misbehave(pod: Pod, fault: Fault) -> None:
    later = pod.running_from + timedelta(seconds=fault.seconds)
    if fault.kind == "stuck":
        pod.stuck = fault.state
    elif fault.kind == "gone":
        pod.gone_at = later
    elif fault.kind == "exit":
        pod.exit_at = later
    elif fault.kind == "late-price":
        pod.late_price = True
    elif fault.kind == "dearer":
        pod.dollars_per_hour = pod.dollars_per_hour * 2 if fault.dollars is None else fault.dollars
    elif fault.kind == "price-change":
        price = pod.dollars_per_hour * 2 if fault.dollars is None else fault.dollars
        pod.prices.append((later, price))
