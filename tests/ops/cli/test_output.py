"""What commands show of strangers' text."""

import pytest

from ops.cli.output import short


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a\x1b[31mred", "a�[31mred", id="escape"),
        pytest.param("a\rb\0c\x07", "a�b�c�", id="controls"),
        pytest.param("a\u202eb", "a�b", id="turned"),
        pytest.param("two\nlines", "two\nlines", id="lines"),
        pytest.param("Zoë 👩\u200d👧 1\u00a0000", "Zoë 👩\u200d👧 1\u00a0000", id="plain"),
    ],
)
def test_a_cell_holds_nothing_that_controls_a_terminal(text: str, shown: str) -> None:
    assert short(text) == shown
