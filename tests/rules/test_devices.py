"""Devices: the class and the families a user agent names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.devices import Agent, read


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/131.0.0.0 Safari/537.36", "desktop"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/17.1 Safari/605.1", "desktop"),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) Chrome/120 Safari/537.36", "desktop"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148", "mobile"),
        ("Mozilla/5.0 (Linux; Android 13; SM-S901B) Chrome/112 Mobile Safari/537.36", "mobile"),
        ("Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X) Mobile/15E148", "tablet"),
        ("Mozilla/5.0 (Linux; Android 13; SM-T500) Chrome/112 Safari/537.36", "tablet"),
        ("Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) SamsungBrowser/3.1 TV Safari/537", "tv"),
        ("Mozilla/5.0 (Linux; Android 9; AFTMM Build/PS7285) Chrome/88 Mobile Safari", "tv"),
        ("Mozilla/5.0 (Web0S; Linux/SmartTV) Chrome/79 Safari/537.36", "tv"),
        ("something", "other"),
        ("", "other"),
    ],
)
def test_a_device_has_a_class(agent: str, device: str) -> None:
    assert read(agent).device == device


def test_system_and_browser_are_families() -> None:
    agent = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"

    assert read(agent) == Agent("desktop", "Ubuntu", "Firefox")
    assert read("something") == Agent("other", None, None)


@given(st.text(max_size=1500))
def test_any_text_is_some_device(agent: str) -> None:
    assert read(agent).device in {"desktop", "mobile", "tablet", "tv", "other"}
