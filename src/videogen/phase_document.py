"""A phase's workflow definitions as a page for people, from the files that say them: nothing is written twice."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import yaml

from videogen import batch, project, video_flaws
from videogen.definition import Parameter, Value
from videogen.errors import InputError
from videogen.flaw import Severity
from videogen.manifest import PhaseName
from videogen.phase import Phase, Range
from videogen.workflow import Workflow

Language = Literal["en", "ja"]

TEMPLATE = "phase_document.md.j2"
_SIDES = ("width", "height")
_KINDS = {
    "text": ("text", "文章"),
    "image": ("an image file", "画像ファイル"),
    "video": ("a video file", "動画ファイル"),
}


@dataclass(frozen=True)
class Rule:
    """One thing for which a video is looked at, and the number at which it counts."""

    kind: str
    severity: Severity
    english: str
    japanese: str
    when: str
    when_japanese: str


RULES = (
    Rule("unreadable", "broken", "cannot be decoded", "デコードできない", "anywhere", "途中でも"),
    Rule("damaged", "broken", "damaged frames", "壊れたフレーム", "1 or more", "1 フレーム以上"),
    Rule("size", "broken", "wrong size", "サイズ違い", "other than asked", "指定と異なる"),
    Rule("frames", "broken", "wrong number of frames", "フレーム数違い", "other than asked", "指定と異なる"),
    Rule("fps", "broken", "wrong frame rate", "フレームレート違い", "by more than 1 %", "1 % を超える差"),
    Rule("black", "broken", "black", "真っ黒", "half of the frames", "全フレームの半分以上"),
    Rule("plain", "broken", "one colour", "単色", "half of the frames", "全フレームの半分以上"),
    Rule("frozen", "broken", "frozen", "静止画", "no frame differs from the first", "最初のフレームから変化しない"),
    Rule("duration", "suspicious", "holes in time", "再生時刻の欠落", "by more than 2 %", "2 % を超える差"),
    Rule(
        "held",
        "suspicious",
        "stands still",
        "途中の静止",
        f"{video_flaws.HELD_SECONDS:g} s or longer",
        f"{video_flaws.HELD_SECONDS:g} 秒以上",
    ),
    Rule(
        "flicker",
        "suspicious",
        "flicker of brightness or colour",
        "明るさ・色のちらつき",
        f"{video_flaws.FLICKER_LEVELS:g} of 255 from frame to frame, over {video_flaws.FLICKER_FRAMES} frames",
        f"フレームごとに 255 段階中 {video_flaws.FLICKER_LEVELS:g} 以上、{video_flaws.FLICKER_FRAMES} フレームにわたる",
    ),
    Rule(
        "cut",
        "suspicious",
        "cuts to another picture",
        "突然の場面切り替わり",
        f"{video_flaws.CUT_OVER_USUAL:g} times the usual change",
        f"普段の変化の {video_flaws.CUT_OVER_USUAL:g} 倍以上",
    ),
    Rule(
        "jump",
        "suspicious",
        "brightness or colour jumps",
        "明るさ・色の急変",
        f"{video_flaws.CUT_OVER_USUAL:g} times the usual change, shapes as before",
        f"普段の変化の {video_flaws.CUT_OVER_USUAL:g} 倍以上(形はそのまま)",
    ),
    Rule(
        "flash",
        "suspicious",
        "flashes",
        "一瞬の異常フレーム",
        f"{video_flaws.FLASH_FRAMES} frames or fewer",
        f"{video_flaws.FLASH_FRAMES} フレーム以下",
    ),
)
"""Every kind of flaw that `media` and `video_flaws` know."""


def document(name: PhaseName, language: Language) -> str:
    """The page of a phase, in Markdown; raises `InputError` for a workflow or a phase with faults."""
    phase = project.read_phase(name)
    words = japanese() if language == "ja" else {}
    return project.template(TEMPLATE).render(
        language=language,
        phase=phase,
        workflows=workflows(name),
        findings=RULES,
        say=lambda sentence: words.get(sentence, sentence),
        cell=cell,
        allowed=lambda parameter, workflow: _allowed(parameter, workflow, phase, language),
        default=lambda parameter, workflow: _default(parameter, workflow, phase, language),
    )


def cell(value: object) -> str:
    """A value within a row of a table: on one line, its bars escaped."""
    return " ".join(str(value).split()).replace("|", "\\|")


def workflows(name: PhaseName) -> list[Workflow]:
    """Those that a phase's workers can do: the manifest has their models for it."""
    there = project.read_manifest(project.root() / "models_manifest.yaml").select(name).names
    found = [project.read_workflow(one) for one in project.workflow_names()]
    return [
        one
        for one in found
        if all(slot.optional or slot.model in there for part in one.parts for slot in part.definition.models)
    ]


def japanese() -> dict[str, str]:
    """English sentence of a workflow's definition → Japanese, of `workflows/words.ja.yaml`; raises `InputError`."""
    path = project.root() / "workflows" / "words.ja.yaml"
    found = yaml.safe_load(project.read(path))
    if not isinstance(found, Mapping) or not all(isinstance(text, str) for text in (*found, *found.values())):
        raise InputError.of(project.shown(path), "should be sentences and their Japanese")
    return dict(found)


def sentences(workflow: Workflow) -> Iterator[str]:
    """What the document of a phase says of a workflow in its own words."""
    yield workflow.definition.about
    for parameter in workflow.definition.parameters:
        yield parameter.about
    for rung in workflow.definition.ladder:
        yield rung.why
    for rule in workflow.definition.rules:
        yield rule.why


def _allowed(parameter: Parameter, workflow: Workflow, phase: Phase, language: Language) -> str:
    """What a batch may write without leaving the phase's policy, which is about what is drawn."""
    policy, draws = phase.policy, batch.DRAWS in workflow.parameter_names
    japanese = language == "ja"
    if parameter.choices:
        chosen = [one for one in parameter.choices if one in policy.samplers or parameter.name != "sampler"]
        return ", ".join(f"`{one}`" for one in chosen)
    if parameter.type in _KINDS:
        return _KINDS[parameter.type][japanese]
    if parameter.name in _SIDES and draws:
        sides = {int(size.split("x")[_SIDES.index(parameter.name)]) for size in policy.sizes}
        return ", ".join(str(side) for side in sorted(sides) if parameter.fault(side) is None)
    if parameter.name == batch.SEED and phase.seeds and phase.seeds.fixed:
        return ", ".join(str(seed) for seed in phase.seeds.values)
    low, high = parameter.minimum, parameter.maximum
    if limited := _limits(parameter, workflow, phase):
        low = limited.minimum if low is None else max(low, limited.minimum)
        high = limited.maximum if high is None else min(high, limited.maximum)
    words = (
        ("{low}〜{high}", "{low} 以上", "{high} 以下")
        if japanese
        else ("{low} to {high}", "{low} or more", "up to {high}")
    )
    bounds = words[1 if high is None else 2 if low is None else 0] if low is not None or high is not None else ""
    plus = f" + {parameter.plus}" if parameter.plus else ""
    grid = f"{parameter.multiple_of}n{plus}" if (parameter.multiple_of or 1) > 1 else ""
    return ", ".join(part for part in (bounds.format(low=_number(low), high=_number(high)), grid) if part)


def _limits(parameter: Parameter, workflow: Workflow, phase: Phase) -> Range | None:
    """What the policy says of a number; nothing where it says nothing, or the workflow draws nothing."""
    return phase.policy.ranges.get(parameter.name) if batch.DRAWS in workflow.parameter_names else None


def _number(value: float | None) -> str:
    return "" if value is None else str(int(value)) if value == int(value) else f"{value:g}"


def _default(parameter: Parameter, workflow: Workflow, phase: Phase, language: Language) -> str:
    rule = workflow.definition.segments
    if rule is not None and parameter.name in (rule.previous, rule.start, rule.tail):
        return "チェーンが設定" if language == "ja" else "set by a chain"
    if parameter.name == batch.SEED and phase.seeds:
        return "フェーズのシードすべて" if language == "ja" else "each of the phase's"
    value: Value | None = parameter.default_for(phase.phase)
    if value is None:
        return "必須" if language == "ja" else "required"
    said = f"`{value:g}`" if isinstance(value, float) else f"`{value}`" if value != "" else "–"
    limited = _limits(parameter, workflow, phase)
    if limited and isinstance(value, int | float) and not limited.minimum <= value <= limited.maximum:
        leave = f"`leave_policy: [{parameter.name}]`"
        words = ("(ポリシー外。バッチに {} が必要)", " (outside the policy: needs {})")
        said += words[language == "en"].format(leave)
    return said
