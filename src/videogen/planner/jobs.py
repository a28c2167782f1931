"""What each job of a batch asks for: of a GPU, or of the machine that submits, along the chains that they form."""

from collections.abc import Mapping, Sequence

from videogen.batch import Job
from videogen.graph import Graph
from videogen.planner.work import Clip, Frames, Passage, Work, work
from videogen.post_steps import STITCH


def works(jobs: Sequence[Job], inputs: Mapping[str, Clip] | None = None) -> dict[str, Work]:
    """Job's id → its work. `jobs` stand after those that they need, as `batch.expand` gives them.

    `inputs` has the shape of the batch's own videos by their names on a worker.
    """
    found: dict[str, Work] = {}
    for job in jobs:
        clips = fed(job, found)
        found[job.id] = (
            _post(job, list(clips.values())) if job.post else work(Graph(job.prompt), {**(inputs or {}), **clips})
        )
    return found


def fed(job: Job, found: Mapping[str, Work]) -> dict[str, Clip]:
    """What stands in the job's graph for a file that another job makes → that video, as far as it is known."""
    return {need.placeholder: clip for need in job.needs if need.job in found and (clip := found[need.job].clip)}


def _post(job: Job, fed: Sequence[Clip]) -> Work:
    """A post step reads every frame that it is fed and writes a video."""
    if not fed:
        return Work(unknown=(job.post,))
    first = fed[0]
    if job.post == STITCH:
        common = int(job.parameters.get("overlap", 0)) * (len(fed) - 1)
        frames = sum(clip.frames.count for clip in fed) - common
        frames = min(frames, int(job.parameters.get("length", 0)) or frames)
        made = Clip(Frames(first.frames.width, first.frames.height, frames), first.fps)
        return Work(passages=(Passage(job.post, "stitch", made.frames),), clip=made)
    height = int(job.parameters.get("height", first.frames.height))
    made = Clip(Frames(height * 2, height, first.frames.count), first.fps)
    return Work(passages=(Passage(job.post, "vr180", made.frames),), clip=made)
