"""What is wrong with a workflow or a job before any money is spent: everything at once, each with its address.

Pure: texts, schemas and figures in, findings out. `videogen.linting` reads the files.
"""

from videogen.lint.chain import chain_findings
from videogen.lint.finding import Finding, Severity, of_faults
from videogen.lint.fitting import Offers, fitting
from videogen.lint.inputs import Media, input_findings
from videogen.lint.jobs import job_findings
from videogen.lint.slots import doubtful_slots, idle_slots
from videogen.lint.texts import File, workflow_findings

__all__ = [
    "File",
    "Finding",
    "Media",
    "Offers",
    "Severity",
    "chain_findings",
    "doubtful_slots",
    "fitting",
    "idle_slots",
    "input_findings",
    "job_findings",
    "of_faults",
    "workflow_findings",
]
