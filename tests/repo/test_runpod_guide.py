"""The guide from no account to the first video: its commands exist, and its numbers are those of the code."""

import re
from decimal import Decimal

import typer.main

from videogen import project, run_order
from videogen.cli import app

ROOT = project.root()
ENGLISH, JAPANESE = ((ROOT / f"docs/guides/{name}").read_text() for name in ("runpod.md", "runpod.ja.md"))


def blocks(text: str) -> list[list[str]]:
    """The commands of each block, without comments."""
    found = re.findall(r"```\n(.*?)```", text, re.DOTALL)
    return [[re.sub(r"\s+#.*", "", line) for line in block.splitlines()] for block in found]


def test_both_languages_have_the_same_commands() -> None:
    """Who reads Japanese types the same."""
    assert blocks(ENGLISH) == blocks(JAPANESE)


def test_the_first_video_takes_five_commands() -> None:
    """Each is a make target or a verb that is there, with options that it knows."""
    commands = blocks(ENGLISH)[1]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    verbs = typer.main.get_group(app)

    assert len(commands) <= 5
    for command in (*commands, *blocks(ENGLISH)[2]):
        program, verb, *words = command.removesuffix(" && source tools/env.sh").split()
        if program == "make":
            assert verb in targets, command
        else:
            assert program == "videogen", command
            known = {name for one in verbs.commands[verb].params for name in one.opts}
            assert {word for word in words if word.startswith("--")} <= known, command


def test_the_first_video_fits_its_cap() -> None:
    """The batch is right as it is committed, and its cap pays its models' way and a lease longer than a boot."""
    words = next(command for command in blocks(ENGLISH)[1] if command.startswith("videogen run")).split()
    cap = Decimal(words[words.index("--cap") + 1])
    found = run_order.order(
        ROOT / words[2], words[words.index("--stack") + 1], cap=cap, again=False, retry_failed=False, folder=None
    )

    assert found.lease
    assert found.lease.total > 2 * found.lease.boot
    assert found.worst <= cap
    assert len(found.plan.jobs) == 1
    for text in (ENGLISH, JAPANESE):
        assert f"{found.traffic} " in text or f"${found.traffic}" in text
