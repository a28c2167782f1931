"""What the console says is what it was given."""

import pytest

from videogen.console import Console


@pytest.mark.parametrize("words", ["videogen:cloud:", "[bold]x[/bold]", "Pulumi.dev.yaml:7: videogen:gpus/0"])
def test_words_are_not_markup(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Keys between colons become no pictures, and words in brackets no colours."""
    Console().say(words)

    assert capsys.readouterr().err == f"{words}\n"
