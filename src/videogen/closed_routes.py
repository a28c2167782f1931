"""What of ComfyUI no caller from outside gets, not even with the token, and why.

The rest is open: a token's holder renders, uploads and reads results, in a program or in ComfyUI's own page.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ClosedRoute:
    """Methods, and paths after an optional `/api`, as regular expressions that both start at the first character.

    The path is the decoded one, without doubled slashes and dots; letters count in either case.
    """

    methods: str
    path: str
    reason: str


_ANY = "[A-Z]+"
_WRITES = "(POST|PUT|PATCH|DELETE)"
_ITS_OWN = r"((workflows|subgraphs|keybindings)/((?!/move/).)+\.json|comfy\.templates\.json)"

CLOSED_ROUTES = (
    ClosedRoute(_ANY, "/internal/logs", "the log holds paths and other callers' words; the agent ships it redacted"),
    ClosedRoute(_ANY, "/internal/models", "models come from the manifest, verified by hash"),
    ClosedRoute(_ANY, "/(v2/)?externalmodel", "models come from the manifest, verified by hash"),
    ClosedRoute(_ANY, "/models?/(download|install)", "models come from the manifest, verified by hash"),
    ClosedRoute(_WRITES, "/(assets|tags)", "an asset may be a model; models come from the manifest"),
    ClosedRoute(_ANY, "/(v2/)?(comfyui_)?manager", "extensions are part of the image; none is installed later"),
    ClosedRoute(_ANY, "/(v2/)?(customnode|snapshot)", "extensions are part of the image; none is installed later"),
    ClosedRoute(_WRITES, "/users", "the worker has one user"),
    ClosedRoute(
        _WRITES,
        f"/userdata/(?!{_ITS_OWN}(/move/{_ITS_OWN})?$)",
        "only workflows, subgraphs and key bindings are written; extensions keep settings here that run code",
    ),
    ClosedRoute(_ANY, "/vhs/getpath", "it lists any folder of the machine"),
)
"""Checked against the routes of ComfyUI 0.27 and what its page calls, of the Manager and of VideoHelperSuite."""
