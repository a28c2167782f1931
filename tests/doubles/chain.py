"""A small chain over the short workflow: segments of nine frames, stitched and put before both eyes.

Also a program (`python -m tests.doubles.chain SPEC.json`) that submits it and kills itself, as the studio's does.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.doubles import studio
from videogen import batch, chain, manifest, project
from videogen.submission import Plan
from videogen.workflow import Workflow

CHAIN = """
schema: 1
name: walk-on
about: a long walk
parameters:
  - {name: prompt, about: what, type: text, default: a walk, sets: [{step: draw, parameter: prompt}]}
  - {name: character, about: who, type: image, sets: [{step: draw, parameter: character}]}
  - {name: frames, about: of the whole, type: integer, default: 13, sets: [{step: stitch, parameter: length}]}
  - {name: seed, about: noise, type: integer, default: 1, sets: [{step: draw, parameter: seed}]}
  - {name: fov, about: screen, type: number, default: 90, sets: [{step: eyes, parameter: fov}]}
chain:
  - step: draw
    workflow: wan22-i2v
    repeat: {over: segments, frames: frames, previous: true}
    set: {width: 64, height: 64, length: 9, steps: 2, switch_step: 1}
  - {step: stitch, post: stitch, feeds: {video: draw}}
  - {step: eyes, post: vr180, feeds: {video: stitch}, set: {height: 128}}
"""


def chained(text: str = CHAIN) -> Workflow:
    """The chain of that text over the workflows of the checkout."""
    return chain.parse_chain(text, "workflow.yaml", project.read_workflow)


def plan(folder: Path, seeds: Sequence[int] = (1,), text: str = CHAIN, **values: Any) -> Plan:
    """A batch of the chain with one video a seed."""
    flow = chained(text)
    picture = studio.REPOSITORY / "batches" / "inputs" / "character.png"
    digest = manifest.digest(picture.name)
    wanted = batch.Batch.model_validate(
        {
            "schema": 1,
            "name": "walk",
            "workflow": flow.name,
            "fixed": {"character": "character.png", **values},
            "matrix": {"seed": seeds} if len(seeds) > 1 else {},
        }
    )
    jobs = batch.expand(
        wanted, flow, studio.phase_without_limits(), studio.manifest_of_dev(), {"character.png": digest}
    )
    plain = studio.plan(folder, [1])
    return replace(plain, workflow=flow, jobs=tuple(jobs), files={digest: picture})


if __name__ == "__main__":
    studio.main(sys.argv[1:], plan)
