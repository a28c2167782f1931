"""How far a prompt is."""

from videogen.progress import Tracker

PROMPT = {
    "1": {"class_type": "Load", "inputs": {}},
    "2": {"class_type": "KSampler", "inputs": {"steps": 10}, "_meta": {"title": "Structure"}},
    "3": {"class_type": "KSamplerAdvanced", "inputs": {"steps": 10, "start_at_step": 5, "end_at_step": 10000}},
    "4": {"class_type": "Save", "inputs": {}},
}


def test_samplers_weigh_by_their_steps() -> None:
    """The first of two samplers, twice as long as the second, is two thirds of the bar."""
    tracker = Tracker(PROMPT)
    tracker.take("execution_start", {})
    for node in ("1", "2"):
        tracker.take("executing", {"node": node})
    tracker.take("progress", {"node": "2", "value": 10, "max": 10})

    assert 0.6 < tracker.progress.fraction < 0.7
    assert (tracker.progress.node, tracker.progress.step, tracker.progress.steps) == ("Structure", 10, 10)


def test_what_was_told_before_is_no_news() -> None:
    """A reconnect repeats the running node; that must not pass for life."""
    tracker = Tracker(PROMPT)

    assert tracker.take("executing", {"node": "2"})
    assert tracker.take("progress", {"node": "2", "value": 3, "max": 10})
    assert not tracker.take("executing", {"node": "2"})
    assert not tracker.take("progress", {"node": "2", "value": 3, "max": 10})
    assert not tracker.take("status", {})
    assert tracker.take("progress", {"node": "2", "value": 4, "max": 10})


def test_cached_nodes_are_done() -> None:
    """A prompt whose first sampler is cached starts far along, and an expanded node counts as its own."""
    tracker = Tracker(PROMPT)
    tracker.take("execution_cached", {"nodes": ["1", "2"]})
    tracker.take("executing", {"node": "3.0.1"})

    assert tracker.progress.fraction > 0.6
