"""Control over HTTP, for tests in other processes: everything under `/_control`, with a token of its own."""

from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import ValidationError

from tests.doubles.runpod.faults import Fault

if TYPE_CHECKING:
    from tests.doubles.runpod.server import FakeRunpod


class Control:
    """`POST /_control/<verb>` with a JSON object."""

    def __init__(self, fake: "FakeRunpod") -> None:
        self.fake = fake

    def add(self, app: web.Application) -> None:
        """Adds the route."""
        app.router.add_post("/_control/{verb}", self.handle)

    async def handle(self, request: web.Request) -> web.Response:
        """Answers 200 with what the verb gives, 400 with what is wrong."""
        if request.headers.get("Authorization") != f"Bearer {self.fake.control_token}":
            return web.json_response({"error": "control wants its own token"}, status=401)
        verbs = {
            "fault": self._fault,
            "heal": self._heal,
            "advance": self._advance,
            "stock": self._stock,
            "price": self._price,
            "plant": self._plant,
            "set": self._set,
            "alive": self._alive,
            "bill": self._bill,
            "calls": self._calls,
        }
        verb = verbs.get(request.match_info["verb"])
        if verb is None:
            return web.json_response({"error": f"verbs: {', '.join(verbs)}"}, status=404)
        try:
            said = await request.json() if request.can_read_body else {}
            with self.fake.account.lock:
                return web.json_response(verb(said))
        except (ValidationError, ValueError, TypeError, KeyError) as error:
            return web.json_response({"error": str(error)}, status=400)

    def _fault(self, said: dict[str, Any]) -> Any:
        return self.fake.faults.add(Fault.model_validate(said)).model_dump(mode="json")

    def _heal(self, _: dict[str, Any]) -> Any:
        self.fake.heal()
        return {}

    def _advance(self, said: dict[str, Any]) -> Any:
        return {"now": self.fake.clock.advance(float(said["seconds"])).isoformat()}

    def _stock(self, said: dict[str, Any]) -> Any:
        self.fake.stock(**said)
        return {}

    def _price(self, said: dict[str, Any]) -> Any:
        self.fake.price(**said)
        return {}

    def _plant(self, said: dict[str, Any]) -> Any:
        return {"id": self.fake.plant(**said).id}

    def _set(self, said: dict[str, Any]) -> Any:
        """`pages`, `quota`, `balance`."""
        if "pages" in said:
            self.fake.paged(said["pages"])
        if "quota" in said:
            self.fake.quota(**said["quota"])
        if "balance" in said:
            self.fake.balance(said["balance"])
        return {}

    def _alive(self, _: dict[str, Any]) -> Any:
        now = self.fake.account.settle()
        alive = self.fake.account.alive()
        return {"pods": [{"id": pod.id, "name": pod.name, "status": pod.status(now)} for pod in alive]}

    def _bill(self, _: dict[str, Any]) -> Any:
        bill = self.fake.bill()
        pods = [
            {"id": one.id, "name": one.name, "seconds": one.seconds, "dollars": str(one.dollars)} for one in bill.pods
        ]
        return {"total": str(bill.total), "pods": pods}

    def _calls(self, _: dict[str, Any]) -> Any:
        return {"calls": self.fake.calls}
