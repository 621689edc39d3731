"""Integration settings: readable whoever wrote them, and never more open than meant."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.integrations import DEFAULTS, NOBODY, IntegrationSettings, read


@pytest.mark.parametrize("settings", [None, {}, [], "text", 5, {"theme": "red"}])
def test_anything_else_means_the_defaults(settings: Any) -> None:
    assert read(settings) == DEFAULTS
    assert (DEFAULTS.answer, DEFAULTS.duplicates, DEFAULTS.legacy) == ("OK", "first", False)


def test_a_bad_field_gets_its_default_and_spares_the_others() -> None:
    found = read({"duplicates": "twice", "currency": "eur", "answer": "1"})

    assert found == IntegrationSettings(answer="1")


@pytest.mark.parametrize(
    "settings",
    [{"hmac": "yes"}, {"hmac": {"algorithm": "md5"}}, {"allowed_networks": ["everybody"]},
     {"allowed_networks": "192.0.2.1"}],
)  # fmt: skip
def test_a_broken_lock_stays_shut(settings: dict[str, Any]) -> None:
    assert read(settings).allowed_networks == NOBODY


VALUES = (
    st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())
    | st.dictionaries(st.text(), st.text())
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(sorted(IntegrationSettings.model_fields)), VALUES))
def test_reading_never_raises(settings: dict[str, Any]) -> None:
    assert read(settings).duplicates in ("first", "update", "add", "ignore")
