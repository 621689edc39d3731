"""Triggers are said in words where words are shorter, else as they are written."""

from typing import Any

import pytest

from rules.trigger_words import sentence
from schemas.triggers import read


@pytest.mark.parametrize(
    ("kind", "config", "said"),
    [
        ("manual", {}, "when somebody runs it"),
        ("manual", {"campaign": "spring"}, "when somebody runs it, for campaign spring"),
        ("scheduled", {"every_seconds": 30}, "every 30 seconds"),
        ("scheduled", {"every_hours": 1}, "every hour"),
        (
            "scheduled",
            {"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"},
            "weekdays at 09:00, Europe/Berlin",
        ),
        ("scheduled", {"cron": "*/15 * * * *"}, "every 15 minutes, UTC"),
        (
            "scheduled",
            {"cron": "0 8,20 * * mon,thu"},
            "Mondays and Thursdays at 08:00 and 20:00, UTC",
        ),
        ("scheduled", {"cron": "5 4 L * *"}, "on the last day of each month at 04:05, UTC"),
        ("scheduled", {"cron": "* * * * * *"}, "every second, UTC"),
        ("scheduled", {"cron": "1 2 3 4 *"}, "cron `1 2 3 4 *`, UTC"),
        ("scheduled", {"cron": "@daily"}, "every day at 00:00, UTC"),
        ("scheduled", {"at": "2026-12-01T09:00:00Z"}, "once, on 2026-12-01 09:00 UTC"),
        ("event", {"event": "click", "batch": 100}, "once per 100 times that there is a click"),
        (
            "event",
            {"event": "conversion", "where": ["event.revenue >= 50"], "debounce_seconds": 60},
            "when there is a sale, 1 minute after the last, where event.revenue >= 50",
        ),
        (
            "event",
            {"event": "hook", "throttle_seconds": 3600},
            "when its hook is called, at most once in 1 hour",
        ),
    ],
)
def test_a_trigger_is_said_in_words(kind: str, config: dict[str, Any], said: str) -> None:
    assert sentence(read(kind, config)) == said
