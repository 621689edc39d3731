"""Campaign settings: readable whoever wrote them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.campaigns import DEFAULTS, REFERRER_POLICIES, CampaignSettings, read


def test_good_settings_are_read_and_other_keys_left_alone() -> None:
    found = read(
        {
            "fallback_url": "https://example.com/",
            "pass_through": True,
            "referrer_policy": "no-referrer",
            "respect_gpc": True,
            "attribution_days": 30,
            "theme": {"colour": "red"},
        }
    )

    assert found == CampaignSettings(
        fallback_url="https://example.com/",
        pass_through=True,
        referrer_policy="no-referrer",
        respect_gpc=True,
        attribution_days=30,
    )


@pytest.mark.parametrize("settings", [None, {}, [], "text", 5, True, {"theme": "red"}])
def test_anything_else_means_the_defaults(settings: Any) -> None:
    assert read(settings) == DEFAULTS
    assert (DEFAULTS.pass_through, DEFAULTS.fallback_url) == (False, None)


def test_a_bad_field_gets_its_default_and_spares_the_others() -> None:
    found = read({"pass_through": [], "referrer_policy": "loud", "fallback_url": "https://a.b/"})

    assert found == CampaignSettings(fallback_url="https://a.b/")


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())


@given(st.dictionaries(st.sampled_from(sorted(CampaignSettings.model_fields)), VALUES))
def test_reading_never_raises(settings: dict[str, Any]) -> None:
    found = read(settings)

    assert found.referrer_policy is None or found.referrer_policy in REFERRER_POLICIES
