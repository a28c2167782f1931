"""What ComfyUI's node classes take and give, read from recorded `/object_info` answers, and what it says of a prompt.

`check` answers as the server does, and so is blind where the server is blind; `strict_findings` sees the rest.
"""

from videogen.node_schema.findings import Finding, strict_findings
from videogen.node_schema.listings import FILE_LISTS, FileList
from videogen.node_schema.refusal import Accepted, Refusal, check
from videogen.node_schema.schema import Input, NodeSchema, Schemas, merge, model_files, parse

__all__ = [
    "FILE_LISTS",
    "Accepted",
    "FileList",
    "Finding",
    "Input",
    "NodeSchema",
    "Refusal",
    "Schemas",
    "check",
    "merge",
    "model_files",
    "parse",
    "strict_findings",
]
