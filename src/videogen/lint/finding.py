"""One thing that lint says."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from videogen.errors import Fault
from videogen.node_schema import Finding as NodeFinding

_PARTS = re.compile(r"(.*?)(?::(\d+))?(?:: (.*))?$", re.DOTALL)

Severity = Literal["error", "warning"]
"""It would fail or come out wrong; it is allowed, and may not be what was meant."""


@dataclass(frozen=True)
class Finding:
    """What is wrong, where, what stands there and what may stand there."""

    address: str
    """File, with line and path of keys where it has them."""
    message: str
    severity: Severity = "error"
    node: str = ""
    """Title of a node of the graph."""
    input: str = ""
    """Input of that node."""
    value: Any = None
    """What stands there."""
    allowed: str = ""
    """What may stand there, in words."""
    hint: str | None = None
    """The nearest right word, or what to do."""

    @property
    def place(self) -> str:
        """`graph.json: Node/input`."""
        return ": ".join(filter(None, (self.address, "/".join(filter(None, (self.node, self.input))))))

    @property
    def help(self) -> str | None:
        """The hint, else what is allowed, for people."""
        return self.hint or (f"allowed: {self.allowed}" if self.allowed else None)

    def document(self) -> dict[str, Any]:
        """For `--json`, with the address in its parts as well."""
        parts = _PARTS.match(self.address)
        assert parts is not None  # it matches everything
        file, line, path = parts.groups()
        return {"file": file, "line": int(line) if line else None, "path": path or "", **asdict(self)}


def of_faults(faults: Iterable[Fault]) -> list[Finding]:
    """Faults of files as findings."""
    return [Finding(fault.address, fault.message, hint=fault.hint) for fault in faults]


def of_node(address: str, found: NodeFinding) -> Finding:
    """What the node schemas say, in the graph of that file."""
    return Finding(
        address,
        found.message,
        node=found.title,
        input=found.input,
        value=found.value,
        allowed=found.allowed,
        hint=found.hint,
    )
