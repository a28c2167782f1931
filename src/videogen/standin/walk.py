"""The graph of one prompt: what depends on what, in which order nodes run, and when two nodes would do the same."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

Prompt = Mapping[str, Any]


def links(node: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """(input, source node, output number) of each link of a node."""
    for name, value in node["inputs"].items():
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):  # else a list that was wrapped
            yield name, value[0], value[1]


def run_order(
    prompt: Prompt, outputs: Iterable[str], cached: Collection[str], is_output: Callable[[str], bool]
) -> list[str]:
    """The nodes in the order in which ComfyUI runs them; cached ones are left out, except outputs.

    Among ready nodes it prefers an output, then one that leads to an output in one step, then in two; else the one
    that was found first on the way back from the outputs.
    """
    waits: dict[str, set[str]] = {}
    feeds: dict[str, list[str]] = {}
    for output in outputs:
        found = [output]
        while found:
            node = found.pop()
            if node in waits:
                continue
            waits[node] = set()
            for _, source, _ in links(prompt[node]) if node not in cached else ():
                if source not in cached:
                    waits[node].add(source)
                    feeds.setdefault(source, []).append(node)
                    found.append(source)

    def leads(node: str, steps: int) -> bool:
        if steps == 0:
            return is_output(node)
        return any(leads(fed, steps - 1) for fed in feeds.get(node, ()))

    order: list[str] = []
    while waits:
        ready = [node for node, sources in waits.items() if not sources]
        chosen = next((node for steps in range(3) for node in ready if leads(node, steps)), ready[0])
        order.append(chosen)
        del waits[chosen]
        for sources in waits.values():
            sources.discard(chosen)
    return order


def signatures(prompt: Prompt, outputs: Iterable[str], identity: Callable[[Mapping[str, Any]], str]) -> dict[str, str]:
    """Node → a digest of all that decides its result (class, values, everything upstream), for all that outputs need.

    `identity` adds what the prompt does not say, such as which content a loaded file has.
    """
    known: dict[str, str] = {}

    def signature(node_id: str) -> str:
        if node_id not in known:
            node = prompt[node_id]
            inputs = dict(node["inputs"])
            for name, source, slot in links(node):
                inputs[name] = ["link", signature(source), slot]
            text = json.dumps([node["class_type"], sorted(inputs.items()), identity(node)])
            known[node_id] = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        return known[node_id]

    for output in outputs:
        signature(output)
    return known


def upstream(prompt: Prompt, start: str) -> Iterator[str]:
    """`start` and all it depends on, nearest first; links are followed in the order in which a node lists them."""
    seen, queue = {start}, [start]
    while queue:
        node = queue.pop(0)
        yield node
        for _, source, _ in links(prompt[node]):
            if source not in seen:
                seen.add(source)
                queue.append(source)
