"""What one prompt tells while it runs: events on the socket, and the messages that its history keeps."""

import time
from typing import Any

from videogen.standin.prompt_queue import Item
from videogen.standin.sockets import Hub


def now_ms() -> int:
    """The time as ComfyUI stamps it."""
    return round(time.time() * 1000)


class Reporter:
    """Speaks for one prompt. Without a client id only progress is told, and to everybody, as the real server does."""

    def __init__(self, hub: Hub, item: Item) -> None:
        self.messages: list[list[Any]] = []
        self._hub = hub
        self._client = item.client
        self._prompt_id = item.prompt_id
        self._nodes: dict[str, dict[str, Any]] = {}

    def message(self, event: str, to_all: bool = False, **data: Any) -> None:
        """An event that history keeps too."""
        stamped = {"prompt_id": self._prompt_id, **data, "timestamp": now_ms()}
        self.messages.append([event, stamped])
        if to_all:
            self._hub.send(event, stamped)
        else:
            self._tell(event, stamped)

    def executing(self, node: str) -> None:
        """This node starts."""
        self._state(node, 0.0, 1.0, "running")
        self._hub.node = node
        self._tell("executing", {"node": node, "display_node": node, "prompt_id": self._prompt_id})

    def stepped(self, node: str, value: int, most: int) -> None:
        """A sampler did one more step."""
        self._state(node, value, most, "running")
        progress = {"value": value, "max": most, "prompt_id": self._prompt_id, "node": node}
        self._hub.send("progress", progress, self._client)

    def executed(self, node: str, output: dict[str, Any]) -> None:
        """An output node has made files."""
        data = {"node": node, "display_node": node, "output": output, "prompt_id": self._prompt_id}
        self._tell("executed", data)

    def finished(self, node: str, whole: float = 1.0) -> None:
        """This node is done; a sampler keeps the numbers of its last step."""
        last = self._nodes.get(node)
        value, most = (last["max"], last["max"]) if last else (whole, whole)
        self._state(node, value, most, "finished")

    def ended(self) -> None:
        """No node runs any more."""
        self._hub.node = None
        self._tell("executing", {"node": None, "prompt_id": self._prompt_id})

    def _tell(self, event: str, data: dict[str, Any]) -> None:
        if self._client is not None:
            self._hub.send(event, data, self._client)

    def _state(self, node: str, value: float, most: float, state: str) -> None:
        self._nodes[node] = {
            "value": value,
            "max": most,
            "state": state,
            "node_id": node,
            "prompt_id": self._prompt_id,
            "display_node_id": node,
            "parent_node_id": None,
            "real_node_id": node,
        }
        self._hub.send("progress_state", {"prompt_id": self._prompt_id, "nodes": dict(self._nodes)}, self._client)
