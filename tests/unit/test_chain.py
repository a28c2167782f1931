"""A chain becomes jobs that need jobs, or every fault in it is found."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles import chain as double
from tests.doubles.chain import CHAIN, chained
from videogen.batch import Job
from videogen.chain import segments
from videogen.definition import Parameter, Target
from videogen.errors import InputError


def _jobs(folder: Path, *seeds: int, text: str = CHAIN, **values: object) -> list[Job]:
    return list(double.plan(folder, seeds or (1,), text, **values).jobs)


LENGTH = Parameter(
    name="length", about="", type="integer", minimum=5, multiple_of=4, plus=1, sets=(Target(title="a", input="b"),)
)


@given(st.integers(5, 400), st.integers(2, 30).map(lambda n: 4 * n + 1), st.integers(1, 8))
def test_segments_cover_the_video(frames: int, length: int, overlap: int) -> None:
    """Neighbours have `overlap` in common, every length is allowed, and no segment could be left out or shorter."""
    found = segments(frames, length, overlap, LENGTH.at_least)
    ends = [one.start + one.length for one in found]

    assert found[0].start == 0
    assert all(end - after.start == overlap for end, after in zip(ends, found[1:], strict=False))
    assert all(LENGTH.fault(one.length) is None and one.length <= length for one in found)
    assert frames <= ends[-1] < frames + 4 or found[-1].length == LENGTH.at_least(overlap + 1)
    assert len(found) == max(1, math.ceil((frames - overlap) / (length - overlap)))


@pytest.mark.parametrize(
    ("length", "overlap", "words"), [(5, 5, "no longer than the 5"), (9, 5, "more than 400 segments")]
)
def test_segments_that_lead_nowhere(length: int, overlap: int, words: str) -> None:
    """They are refused, not counted for ever."""
    with pytest.raises(ValueError, match=words):
        segments(10_000, length, overlap, LENGTH.at_least)


def test_jobs_of_a_chain(tmp_path: Path) -> None:
    """Labels say which of how many; each segment needs the one before, the stitch all, the last step is the result."""
    jobs = _jobs(tmp_path, 1, 2)
    first = [job for job in jobs if job.group == "seed=1"]
    draw, again, stitch, _ = first

    assert [job.label for job in first] == [
        "seed=1 · draw 1/2", "seed=1 · draw 2/2", "seed=1 · stitch", "seed=1 · eyes",
    ]  # fmt: skip
    assert [[(need.parameter, need.job) for need in job.needs] for job in first] == [
        [], [("before", draw.id)], [("video", draw.id), ("video", again.id)], [("video", stitch.id)],
    ]  # fmt: skip
    assert [job.final for job in first] == [False, False, False, True]
    assert [job.post for job in first] == ["", "", "stitch", "vr180"]
    assert len({job.id for job in jobs}) == 8


def test_the_segment_before_is_read_only_where_there_is_one(tmp_path: Path) -> None:
    """The first segment starts from the picture and reads no video; the second one the other way round."""
    first, second, *_ = _jobs(tmp_path)
    classes = [{node["class_type"] for node in job.prompt.values()} for job in (first, second)]

    assert "LoadImage" in classes[0] - classes[1]
    assert "LoadVideo" in classes[1] - classes[0]
    assert [len(job.inputs) for job in (first, second)] == [1, 0]
    assert second.needs[0].placeholder in str(second.prompt)


def test_a_segment_goes_on_from_the_last_frames_of_its_neighbour(tmp_path: Path) -> None:
    """The third from the second, at the frame where what they have in common begins."""
    first, second, third, *_ = _jobs(tmp_path, frames=17)

    assert [need.job for need in (*second.needs, *third.needs)] == [first.id, second.id]
    for job in (second, third):
        (cut,) = (node for node in job.prompt.values() if node["class_type"] == "ImageFromBatch")
        assert (cut["inputs"]["batch_index"], cut["inputs"]["length"]) == (9 - 5, 5)


def test_ids_follow_what_feeds_a_job(tmp_path: Path) -> None:
    """A change at the end leaves the beginning alone; one at the beginning changes all that follows; the rest stays."""
    plain = [job.id for job in _jobs(tmp_path)]
    wider = [job.id for job in _jobs(tmp_path, fov=60)]
    other = [job.id for job in _jobs(tmp_path, prompt="a run")]

    assert plain == [job.id for job in _jobs(tmp_path)]
    assert [a == b for a, b in zip(plain, wider, strict=True)] == [True, True, True, False]
    assert not set(plain) & set(other)


def test_equal_steps_are_done_once(tmp_path: Path) -> None:
    """Two videos that differ in the last step only share the jobs before it."""
    plan = double.plan(tmp_path, (1,))
    both = {job.id: job for fov in (60, 90) for job in _jobs(tmp_path, fov=fov)}

    assert len(plan.jobs) == 4
    assert len(both) == 5


CHANGES = [
    ("feeds: {video: draw}}", "feeds: {video: darw}}", "chain/1/feeds/video: no earlier step `darw`\nhint: did you mean `draw`?"),
    ("feeds: {video: draw}}", "feeds: {vidoe: draw}}", "chain/1/feeds/vidoe: step `stitch` has no parameter `vidoe`\nhint: did you mean `video`?"),
    ("post: vr180, feeds: {video: stitch}", "post: vr180, feeds: {video: draw}", "chain/2/feeds/video: `draw` makes several videos\nhint: put a step `post: stitch` between"),
    ("frames: frames, previous", "frames: farmes, previous", "chain/0/repeat/frames: the chain has no parameter `farmes`\nhint: did you mean `frames`?"),
    ("step: draw, parameter: seed", "step: draw, parameter: sede", "parameters/3/sets/0/parameter: step `draw` has no parameter `sede`\nhint: did you mean `seed`?"),
    ("step: draw, parameter: seed", "step: drew, parameter: seed", "parameters/3/sets/0/step: no step `drew`\nhint: did you mean `draw`?"),
    ("set: {height: 128}", "set: {height: 127}", "chain/2/set/height: 127 is below 128\nhint: nearest: 128"),
    ("workflow: wan22-i2v", "workflow: wan22-i3v", "chain/0/workflow: no workflow `wan22-i3v`\nhint: did you mean `wan22-i2v`?"),
    ("length: 9, steps: 2", "lenght: 9, steps: 2", "chain/0/set/lenght: step `draw` has no parameter `lenght`\nhint: did you mean `length`?"),
    ("sets: [{step: draw, parameter: prompt}]", "sets: [{step: draw, parameter: negative}]", "chain/0: `prompt` of step `draw` gets no value: what the video shows\nhint: `set`, `feeds`, or a parameter of the chain gives it one"),
    ("step: stitch, post: stitch", "step: stitch, post: stich", "chain/1/post: 'stich' is not one of the words allowed here\nhint: did you mean `stitch`?"),
    ("step: stitch, post: stitch", "step: stitch, workflow: wan22-i2v, post: stitch", "chain/1: a step is either a `workflow` or a `post`"),
    ("post: vr180, feeds: {video: stitch}", "post: vr180", "chain/2/feeds: `vr180` needs `video`, the step whose video it takes"),
    ("name: fov, about: screen, type: number", "name: fov, about: screen, type: integer", "parameters/4/sets/0/parameter: is integer, `fov` of step `eyes` is number"),
    ("workflow: wan22-i2v", "workflow: long-i2v", "chain/0/workflow: `long-i2v` is a chain itself"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "sentence"), CHANGES)
def test_wording(old: str, new: str, sentence: str) -> None:
    """Each fault leads to its line and says the nearest right word."""
    assert old in CHAIN
    with pytest.raises(InputError) as caught:
        chained(CHAIN.replace(old, new, 1))
    said = [str(fault).partition(": ")[2] for fault in caught.value.faults]

    assert sentence in said
