"""Breakdown records, and the counts of what breaks under which conditions."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.doubles.studio import plan
from videogen import breakage, breakdown, cli
from videogen.breakage import Tried
from videogen.failure import Failure, FailureClass
from videogen.flaw import Flaw
from videogen.ledger import Ledger
from videogen.ledger_rows import AttemptRow, AttemptState, JobRow, JobState, OutputRow
from videogen.phase_document import Language
from videogen.store import Store, log_key

OOM = FailureClass.OUT_OF_MEMORY
EVIDENCE: dict[str, Any] = {
    "worker": {"gpu": "RTX4090", "comfyui_version": "0.38.1", "devices": [{"name": "cuda:0", "vram_total": 25.3e9}]},
    "memory": {"gpu_peak": 24.9e9, "ram_total": 64e9, "ram_free": 20e9, "devices": []},
    "graph": {"a": {"class_type": "KSampler", "inputs": {}}},
    "parameters": {"width": 720, "height": 1280, "length": 81, "prompt": "a | b\nc"},
    "inputs": [{"path": "who.png", "sha256": "cd" * 32}],
    "models": {"wan2.2-i2v-high": "ab" * 32},
}


def tried(
    number: int, kind: FailureClass | None = None, gpu: str = "RTX4090", length: int = 81, **evidence: Any
) -> Tried:
    """An attempt that failed in that way, or made its video."""
    values = {"width": 720, "height": 1280, "length": length}
    job = JobRow("walk", f"job-{number}", "wan22-i2v", f"seed={number}", values, JobState.OPEN, 0, 0)
    state = AttemptState.FAILED if kind else AttemptState.DONE
    failure = Failure(kind, "KSampler: memory | ended", {**EVIDENCE, **evidence}) if kind else None
    row = AttemptRow(f"p{number}", "walk", job.id, 1, "w1", state, 1000.0, 1100.0 + number, 60.0, failure, gpu)
    return Tried(job, row)


def test_shares_have_their_whole() -> None:
    """Good attempts under the same conditions count; the worst share comes first."""
    seen = [tried(1, OOM), tried(2), tried(3), tried(4), tried(5, OOM, gpu="L40S"), tried(6, length=33)]
    flawed = replace(seen[1], flaws=(Flaw("cut", "suspicious", "cuts"),))
    rows = breakage.counts([seen[0], flawed, *seen[2:]], ["gpu", "frames"])

    assert [(row.conditions, row.failed, row.attempts, row.suspicious) for row in rows] == [
        ({"gpu": "L40S", "frames": "81"}, 1, 1, 0),
        ({"gpu": "RTX4090", "frames": "81"}, 1, 4, 1),
        ({"gpu": "RTX4090", "frames": "33"}, 0, 1, 0),
    ]
    assert rows[1].classes == {"out_of_memory": 1}
    assert rows[1].share == 0.25


def test_classes_are_counted_against_all_attempts() -> None:
    """By class, each one's share is of all attempts under the other conditions."""
    seen = [tried(1, OOM), tried(2, OOM), tried(3, FailureClass.STALLED), tried(4)]

    assert [(row.conditions, row.share) for row in breakage.counts(seen, ["gpu", "class"])] == [
        ({"gpu": "RTX4090", "class": "out_of_memory"}, 0.5),
        ({"gpu": "RTX4090", "class": "stalled"}, 0.25),
    ]
    assert breakage.counts([], ["gpu"]) == []


def test_only_ends_that_say_something_count() -> None:
    """What was called off, what the store lost, what was never tried and what still runs tell nothing."""
    one = tried(1, OOM)
    states = [
        tried(2, FailureClass.CANCELLED).attempt,
        tried(3, FailureClass.STORE).attempt,
        tried(4, FailureClass.NEEDS_FAILED).attempt,
        replace(one.attempt, worker=""),
        replace(one.attempt, state=AttemptState.SUBMITTED, failure=None),
    ]
    jobs = [replace(one.job, id=row.job) for row in states]

    assert breakage.ended(jobs, states) == []
    assert len(breakage.ended(jobs, [one.attempt, replace(one.attempt, state=AttemptState.LOST)])) == 2


def test_a_pattern_is_one_way_to_break() -> None:
    """The same failure under the same conditions is one record; another rung, GPU or class is another."""
    seen = [tried(1, OOM), tried(2, OOM), tried(3), tried(4, FailureClass.STALLED), tried(5, OOM, gpu="L40S")]
    found = breakage.patterns(seen)

    assert [(one.kind, one.conditions["gpu"], len(one.failures), one.attempts) for one in found] == [
        (OOM, "RTX4090", 2, 4),
        (OOM, "L40S", 1, 1),
        (FailureClass.STALLED, "RTX4090", 1, 4),
    ]


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("kind", FailureClass)
def test_a_record_can_be_written_of_every_class(language: Language, kind: FailureClass) -> None:
    """No class lacks its words in either language, and an attempt without any evidence has its page, too."""
    one, failure = tried(1), Failure(kind, "gone", {})
    bare = replace(one, attempt=replace(one.attempt, failure=failure, state=AttemptState.LOST))
    pattern = breakage.Pattern(kind, {"gpu": "L40S"}, (bare,), 2)
    page = breakdown.record(pattern, language, lambda _: [])

    assert page.name == f"{kind.value.replace('_', '-')}-l40s.{language}.md"
    assert ("記録なし" if language == "ja" else "not recorded") in page.text
    assert ("同じ条件での試行 2 回のうち 1 回(50 %)" if language == "ja" else "1 of 2 attempts") in page.text
    assert page.graph is None


def test_a_record_holds_the_evidence(tmp_path: Path) -> None:
    """Graph, parameters, GPU, versions, memory, what was found, tried and said: all of it is on the page."""
    pattern = breakage.patterns(
        [
            tried(1, OOM),
            tried(2, OOM, findings=["flickers", {"kind": "cut", "message": "cuts"}], kept="x.mp4", next="tiled-vae"),
        ]
    )[0]
    page = breakdown.record(pattern, "ja", lambda one: [f"last words of {one.attempt.worker}"])
    path = page.write(tmp_path / "records")

    for words in ("720x1280", "RTX4090", "0.38.1", "cuda:0, 25.3 GB", "24.9 GB", "64.0 GB / 20.0 GB", "tiled-vae",
                  "last words of w1", "- flickers", "- 突然の場面切り替わり: cuts", "`who.png` | `cdcdcdcdcdcdcdcd`",
                  "x.mp4", "KSampler: memory \\| ended", "a \\| b c", "`job-1`"):  # fmt: skip
        assert words in page.text, words
    assert json.loads((path.parent / path.name.replace(".ja.md", ".graph.json")).read_text()) == EVIDENCE["graph"]
    assert path.name.replace(".ja.md", ".graph.json") in page.text


def test_a_record_gives_no_secret_away() -> None:
    """A presigned address in a message or a log does not reach the page."""
    address = "https://bucket.example/x?X-Amz-Signature=0123456789abcdef0123456789abcdef"
    page = breakdown.record(breakage.patterns([tried(1, OOM)])[0], "en", lambda _: [f"GET {address}"])

    assert "0123456789abcdef0123456789abcdef" not in page.text


def test_the_log_is_cut_to_the_attempt(store: Store) -> None:
    """Of a worker's parts only lines between the attempt's lease and shortly after its end are told, in order."""
    for number, times in ((1, (900, 990)), (2, (1010, 1050)), (10, (1105, 1300))):
        lines = [{"time": time, "from": "ComfyUI", "line": f"at {time}"} for time in times]
        data = gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode())
        store.put_bytes(store.outputs, log_key("w1", 1, number), data, "application/gzip")

    assert breakdown.log_tail(store, tried(1, OOM)) == ["ComfyUI: at 1010", "ComfyUI: at 1050", "ComfyUI: at 1105"]
    assert breakdown.log_tail(store, replace(tried(1), attempt=replace(tried(1).attempt, worker="other"))) == []


def test_the_verb_counts_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`videogen failures` prints a ledger's counts and writes a page; a wrong word is told with the right one."""
    monkeypatch.setenv("VIDEOGEN_STATE", str(tmp_path / "state"))
    jobs = plan(tmp_path, [1, 2]).jobs
    with Ledger.open(tmp_path / "state" / "dev" / "ledger.sqlite") as ledger:
        ledger.register("walk", jobs)
        ledger.register("calm", plan(tmp_path, [3]).jobs)
        ledger.fail(
            ledger.lease("walk", jobs[0].id, "w1", "L40S").prompt_id, Failure(OOM, "ended", EVIDENCE), job_fails=True
        )
        good = ledger.lease("walk", jobs[1].id, "w1", "L40S").prompt_id
        ledger.rendered(
            good, [OutputRow("video.mp4", tmp_path / "x", "k", 1, "", (Flaw("cut", "suspicious", "cuts"),))], 1
        )
    runner = CliRunner()
    asked = ["failures", "walk", "--stack", "dev", "--json", "--by", "gpu,size"]
    said = runner.invoke(cli.app, [*asked, "--write", str(tmp_path / "records"), "--language", "ja"])

    told = json.loads(said.stdout)
    assert told["conditions"] == [
        {"gpu": "L40S", "size": "64x64", "attempts": 2, "failed": 1, "share": 0.5, "suspicious": 1,
         "classes": {"out_of_memory": 1}}
    ]  # fmt: skip
    assert len(told["records"]) == 1
    assert "GPU メモリ不足" in Path(told["records"][0]).read_text()
    nothing = runner.invoke(cli.app, ["failures", "calm", "--stack", "dev", "--write", str(tmp_path / "none")])
    assert "no record: nothing broke" in nothing.output
    assert "did you mean `gpu`" in str(runner.invoke(cli.app, ["failures", "-s", "dev", "--by", "gpus"]).exception)
