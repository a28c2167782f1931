"""The routes of RunPod's REST v2: which call a request is, who may make it, what it answers."""

import json
from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar

from pydantic import ValidationError

from tests.doubles.runpod import bill, schemas
from tests.doubles.runpod.account import Account
from tests.doubles.runpod.catalog import MOST_OF_ONE, REGIONS
from tests.doubles.runpod.faults import Call
from tests.doubles.runpod.pod import Pod, identifier
from tests.doubles.runpod.problem import Problem

Answer = tuple[int, Any]
Known = dict[str, tuple[Call, Callable[[], Answer]]]
B = TypeVar("B", bound=schemas.Body)

OWN_ENDS = ("stop", "terminate")
"""What a pod may do with its own key."""
GONE: Answer = (204, None)
BILLING = ("startTime", "endTime", "bucketSize", "lastN")
GPU_FILTERS = ("include", "product", "count", "cloud", "countryCodes", "cudaVersions", "minCudaVersion")
PLACE_FILTERS = ("include", "regions", "networkVolumeTypes", "compliance", "globalNetwork")


class Pager:
    """Lists in one piece or, with a `size`, in pages with cursors; a broken one ends after its first page."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.size: int | None = None
        self._cursors: dict[str, tuple[int, bool]] = {}
        self._number = count()

    def listed(self, key: str, items: list[dict[str, Any]], cursor: str | None) -> Answer:
        """The page at the cursor, as the body of an answer."""
        half = self.account.faults.due("half-list", "list") if key == "pods" and cursor is None else None
        begin, broken = 0, half is not None
        if cursor is not None:
            if cursor not in self._cursors:
                raise Problem(400, "unknown cursor")
            begin, broken = self._cursors[cursor]
            if broken:
                raise Problem(500)
        size = max(1, len(items) // 2) if half else self.size
        if size is None:
            return 200, {key: items}
        more = broken or begin + size < len(items)
        following = f"c{next(self._number)}.{identifier(8)}" if more else None
        if following:
            self._cursors[following] = (begin + size, broken)
        return 200, {key: items[begin : begin + size], "pagination": {"nextCursor": following, "hasNextPage": more}}


class Route:
    """One request: which call it is, about what, by whom (`account`, or the id of the pod whose key it shows)."""

    def __init__(
        self,
        account: Account,
        pager: Pager,
        method: str,
        path: list[str],
        query: dict[str, str],
        raw: bytes,
        caller: str,
    ) -> None:
        self.account, self.pager = account, pager
        self.method, self.path, self.query, self.raw, self.caller = method, path, query, raw, caller
        self.id = path[1] if len(path) > 1 else ""
        self.call: Call = "any"

    def find(self) -> Callable[[], Answer]:
        """What carries it out."""
        known = self._known()
        if not known:
            raise Problem(404)
        if self.method not in known:
            allow = {"Allow": ", ".join(known)}
            raise Problem(405, "The requested method is not allowed for this path.", headers=allow)
        self.call, run = known[self.method]
        return run

    def _known(self) -> Known:
        match self.path:
            case ["pods"]:
                return {"GET": ("list", self._list), "POST": ("create", self._create)}
            case ["pods", _]:
                return {"GET": ("get", self._get), "PATCH": ("patch", self._patch), "DELETE": ("delete", self._delete)}
            case ["pods", _, "action"]:
                return {"POST": ("action", self._act)}
            case ["catalog", "gpus"]:
                return {"GET": ("catalog", self._gpus)}
            case ["catalog", "gpus", _]:
                return {"GET": ("catalog", self._gpu)}
            case ["catalog", "datacenters"]:
                return {"GET": ("catalog", self._places)}
            case ["billing", "pods"]:
                return {"GET": ("billing", self._pod_bill)}
            case ["billing", "network-volumes"]:
                return {"GET": ("billing", self._volume_bill)}
            case ["network-volumes", *rest]:
                if not rest:
                    return {"GET": ("volumes", self._volumes), "POST": ("volumes", self._new_volume)}
                change: Known = {"PATCH": ("volumes", self._change_volume)}
                return {"GET": ("volumes", self._volume), **change, "DELETE": ("volumes", self._end_volume)}
            case ["templates", *rest]:
                if not rest:
                    return {"GET": ("templates", self._templates), "POST": ("templates", self._new_template)}
                change = {"PATCH": ("templates", self._change_template)}
                return {"GET": ("templates", self._template), **change, "DELETE": ("templates", self._end_template)}
            case ["registries"]:
                return {"GET": ("registries", self._registries), "POST": ("registries", self._new_registry)}
            case ["registries", _]:
                return {"GET": ("registries", self._registry), "DELETE": ("registries", self._end_registry)}
        return {}

    def permit(self) -> None:
        """Raises `Problem` when the caller may not do it: a pod may end itself and nothing else."""
        if self.caller == "account":
            return
        own = self.path[:2] == ["pods", self.caller]
        if not own or not (self.call == "delete" or (self.call == "action" and self._sent().get("action") in OWN_ENDS)):
            raise Problem(403)

    def scope(self) -> dict[str, Any]:
        """What faults are compared with."""
        scope: dict[str, Any] = {"key": "account" if self.caller == "account" else "pod"}
        if self.call == "create":
            asked = self._sent()
            gpu, name, places = asked.get("gpu"), asked.get("name"), asked.get("dataCenterIds")
            scope["gpu"] = gpu.get("id") if isinstance(gpu, dict) else None
            scope["name"] = name if isinstance(name, str) else None
            scope["places"] = tuple(places) if isinstance(places, list) else ()
        elif self.path[0] == "pods" and (pod := self.account.pods.get(self.id)):
            scope |= {"gpu": pod.gpu, "name": pod.name, "places": (pod.place,)}
        return scope

    def _sent(self) -> dict[str, Any]:
        try:
            asked = json.loads(self.raw)
        except ValueError:
            return {}
        return asked if isinstance(asked, dict) else {}

    def _body(self, kind: type[B]) -> B:
        try:
            asked = json.loads(self.raw)
        except ValueError as error:
            raise Problem(400, f"the body is not JSON: {error}") from error
        try:
            return kind.model_validate(asked)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            told = [f"{'/'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in found]
            raise Problem(422, errors=told) from error

    def _query(self, *known: str) -> dict[str, str]:
        if wrong := [name for name in self.query if name not in known]:
            raise Problem(422, errors=[f"{name}: unknown parameter" for name in wrong])
        return self.query

    def _words(self, name: str, allowed: tuple[str, ...]) -> list[str]:
        """A comma-separated parameter."""
        words = [word for word in self.query.get(name, "").split(",") if word]
        if wrong := [word for word in words if word not in allowed]:
            raise Problem(422, errors=[f"{name}: {wrong[0]!r} is none of {', '.join(allowed)}"])
        return words

    # pods

    def _shown(self, pod: Pod) -> dict[str, Any]:
        return pod.body(self.account.clock())

    def _list(self) -> Answer:
        query = self._query("includeClusterPods", "cursor")
        faults = self.account.faults
        if faults.due("empty-list", "list"):
            return self.pager.listed("pods", [], None)
        pods = [
            pod
            for pod in self.account.readable()
            if not faults.due("missing", "list", gpu=pod.gpu, places=(pod.place,), name=pod.name)
        ]
        return self.pager.listed("pods", [self._shown(pod) for pod in pods], query.get("cursor"))

    def _create(self) -> Answer:
        return 201, self._shown(self.account.create(self._body(schemas.CreatePod)))

    def _get(self) -> Answer:
        return 200, self._shown(self.account.read(self.id))

    def _patch(self) -> Answer:
        return 200, self._shown(self.account.update(self.id, self._body(schemas.UpdatePod)))

    def _delete(self) -> Answer:
        self.account.delete(self.id, self.scope()["key"])
        return GONE

    def _act(self) -> Answer:
        asked = self._body(schemas.PodAction)
        pod = self.account.act(self.id, asked, self.scope()["key"])
        return GONE if asked.action == "terminate" else (200, self._shown(pod))

    # catalog

    def _gpu_terms(self) -> tuple[int, bool]:
        query = self._query(*GPU_FILTERS)
        available = bool(self._words("include", ("AVAILABILITY",)))
        products = self._words("product", ("POD", "CLUSTER", "SERVERLESS"))
        if available != bool(products):
            raise Problem(400, "include=AVAILABILITY and product go together")
        if not available and set(query) & {"count", "cloud"}:
            raise Problem(400, "count and cloud are valid only with include=AVAILABILITY")
        self._words("cloud", ("SECURE", "COMMUNITY"))
        number = query.get("count", "1")
        if not number.isdigit() or not 0 < int(number) <= MOST_OF_ONE:
            raise Problem(422, errors=[f"count: should be a whole number from 1 to {MOST_OF_ONE}"])
        return int(number), available

    def _gpus(self) -> Answer:
        number, available = self._gpu_terms()
        catalog = self.account.catalog
        return 200, {"gpus": [catalog.gpu(gpu, number, available=available) for gpu in catalog.gpus.values()]}

    def _gpu(self) -> Answer:
        number, available = self._gpu_terms()
        gpu = self.account.catalog.gpus.get(self.path[2])
        if gpu is None:
            raise Problem(404)
        return 200, self.account.catalog.gpu(gpu, number, available=available)

    def _places(self) -> Answer:
        self._query(*PLACE_FILTERS)
        available = "GPU_AVAILABILITY" in self._words("include", ("GPU_AVAILABILITY", "CPU_AVAILABILITY"))
        regions = self._words("regions", ("NORTH_AMERICA", "EUROPE", "ASIA"))
        kinds = self._words("networkVolumeTypes", ("STANDARD", "HIGH_PERFORMANCE"))
        found = [self.account.catalog.data_center(place, available=available) for place in REGIONS]
        found = [one for one in found if not regions or one["region"] in regions]
        return 200, {"dataCenters": [one for one in found if set(kinds) <= set(one["networkVolumeTypes"])]}

    # billing

    def _pod_bill(self) -> Answer:
        return 200, bill.pod_records(self.account, self._query(*BILLING, "podId"))

    def _volume_bill(self) -> Answer:
        return 200, bill.volume_records(self.account, self._query(*BILLING, "networkVolumeId"))

    # volumes

    def _volumes(self) -> Answer:
        query = self._query("cursor")
        return self.pager.listed(
            "networkVolumes", [one.body() for one in self.account.living_volumes()], query.get("cursor")
        )

    def _new_volume(self) -> Answer:
        return 201, self.account.create_volume(self._body(schemas.CreateVolume)).body()

    def _volume(self) -> Answer:
        return 200, self.account.volume(self.id).body()

    def _change_volume(self) -> Answer:
        return 200, self.account.update_volume(self.id, self._body(schemas.UpdateVolume)).body()

    def _end_volume(self) -> Answer:
        self.account.delete_volume(self.id)
        return GONE

    # templates and registries

    def _found(self, things: dict[str, dict[str, Any]]) -> dict[str, Any]:
        if self.id not in things:
            raise Problem(404)
        return things[self.id]

    def _templates(self) -> Answer:
        query = self._query("cursor")
        return self.pager.listed("templates", list(self.account.templates.values()), query.get("cursor"))

    def _new_template(self) -> Answer:
        sent = self._body(schemas.CreateTemplate).model_dump(by_alias=True, exclude_none=True)
        if any(one["name"] == sent["name"] for one in self.account.templates.values()):
            raise Problem(400, "template name must be unique")
        empty: dict[str, Any] = {"args": "", "disk": 20, "env": {}, "ports": [], "registry": None}
        made = {"id": identifier(10), **empty, **sent}
        self.account.templates[made["id"]] = made
        return 201, made

    def _template(self) -> Answer:
        return 200, self._found(self.account.templates)

    def _change_template(self) -> Answer:
        known = self._found(self.account.templates)
        sent = self._body(schemas.UpdateTemplate).given()
        known |= {key: value for key, value in sent.items() if (key, value) != ("mounts", {})}
        return 200, known

    def _end_template(self) -> Answer:
        del self.account.templates[self._found(self.account.templates)["id"]]
        return GONE

    def _registries(self) -> Answer:
        query = self._query("cursor")
        return self.pager.listed("registries", list(self.account.registries.values()), query.get("cursor"))

    def _new_registry(self) -> Answer:
        asked = self._body(schemas.CreateRegistry)
        made = {"id": identifier(10), "name": asked.name}
        self.account.registries[made["id"]] = made
        return 201, made

    def _registry(self) -> Answer:
        return 200, self._found(self.account.registries)

    def _end_registry(self) -> Answer:
        self._found(self.account.registries)
        if any(pod.shown["registry"] == self.id for pod in self.account.alive()):
            raise Problem(400, "Registry credential is in use by a pod and cannot be deleted")
        for template in self.account.templates.values():
            template["registry"] = None if template["registry"] == self.id else template["registry"]
        del self.account.registries[self.id]
        return GONE
