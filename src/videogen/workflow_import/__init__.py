"""An exported graph of any engine as a workflow: what can be set, what is loaded, what comes out. Pure.

The draft is for editing: it names what was found, with the ranges that the nodes have, and says what remains to do.
"""

from videogen.workflow_import.drafting import Draft, draft

__all__ = ["Draft", "draft"]
