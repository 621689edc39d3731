"""What somebody typed is read as words, phrases and exclusions."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rules.search import MOST_WORDS, wanted
from schemas.searches import Wanted


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (None, Wanted()),
        ("  ", Wanted()),
        ("&&& ... !", Wanted()),
        ("keto diet", Wanted(("keto",), beginning="diet")),
        ('"keto diet" plan', Wanted(phrases=("keto diet",), beginning="plan")),
        ("keto -diet", Wanted(("keto",), excluded=("diet",))),
        ('keto -"meal plan"', Wanted(("keto",), excluded=("meal plan",))),
        ('"never closed', Wanted(phrases=("never closed",))),
        ("go", Wanted(("go",))),
        ("R&amp;D", Wanted(("R&D",))),
    ],
)
def test_texts_are_read(text: str | None, read: Wanted) -> None:
    assert wanted(text) == read


@given(some.text(max_size=400))
def test_whatever_is_typed_is_read_and_bounded(text: str) -> None:
    read = wanted(text)

    parts = [*read.words, *read.phrases, *read.excluded]
    assert len(parts) + (read.beginning is not None) <= MOST_WORDS
    assert all(part.strip() for part in parts)
