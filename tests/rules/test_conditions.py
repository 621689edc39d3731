"""Conditions: they hold or not, say what they saw, and survive whoever wrote them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.conditions import Unreadable, compiled

VALUES: dict[str, Any] = {
    "campaign": {"status": "active", "id": UUID(int=1), "budget": None},
    "stats": {"day": {"refund_rate": 0.25, "clicks": 3}},
    "event": {
        "revenue": Decimal("49.90"), "occurred_at": datetime(2026, 1, 1, tzinfo=UTC),
        "list": list(range(1000)), "text": "a" * 1000, "huge": 10**30,
        "url": "https://example.com/" + "a" * 5000, "many": list(range(1001)),
    },
    "now": datetime(2026, 1, 3, tzinfo=UTC),
    "steps": {"1_ask": {"status": 200}},
}  # fmt: skip


def clause(expression: str) -> tuple[bool, str | None]:
    found = compiled([expression]).judge(VALUES).clauses[0]
    return found.holds, found.error


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ('campaign.status == "active"', True),
        ("stats.day.refund_rate > 0.2 && stats.day.clicks >= 3", True),
        ("stats.day.clicks > 2.5", True),
        ("event.revenue >= 50", False),
        ("event.revenue > 49.5", True),
        ('timestamp(now) - timestamp(event.occurred_at) > duration("24h")', True),
        ('steps["1_ask"].status == 200', True),
        ("has(campaign.name)", False),
        ('campaign.status in ["paused", "active"]', True),
        ('campaign.status.matches("^act")', True),
        ("event.list.exists(one, one == 7)", True),
    ],
)
def test_an_expression_holds_or_does_not(expression: str, holds: bool) -> None:
    assert clause(expression) == (holds, None)


def test_what_is_missing_is_false_and_named() -> None:
    assert clause('campaign.name == "x"') == (False, "campaign.name is missing")
    assert clause('user.email == "x"') == (False, "user is missing")
    assert clause("campaign.budget.amount > 1") == (False, "campaign.budget is missing")
    assert clause("has(event.a) || event.b == 1") == (False, "event.b is missing")


@pytest.mark.parametrize(
    "group",
    [
        {"not": "campaign.name == 1"},
        {"not": {"all": ["true", "campaign.name == 1"]}},
        {"not": {"any": ["false", "campaign.name == 1"]}},
        {"not": {"not": {"not": "campaign.name == 1"}}},
    ],
    ids=range(4),
)
def test_what_could_not_be_answered_does_not_hold_by_being_turned_round(group: Any) -> None:
    assert compiled(group).judge(VALUES).holds is False


def test_what_could_not_be_answered_does_not_matter_beside_what_decides() -> None:
    assert compiled({"any": ["campaign.name == 1", "true"]}).judge(VALUES).holds is True
    assert compiled({"not": ["campaign.name == 1", "false"]}).judge(VALUES).holds is True


@pytest.mark.parametrize(
    "expression",
    [
        'event.url.matches("a$")', 'event.url.contains("b")', 'event.url + "" == ""',
        "event.url.size() < 100", "size(event.url) > 1", '!event.url.startsWith("https")',
    ],
)  # fmt: skip
def test_of_a_long_text_nobody_looks_at_the_beginning_only(expression: str) -> None:
    assert clause(expression) == (False, "event.url is longer than 1,000 characters")


@pytest.mark.parametrize(
    "expression",
    ["event.many.all(n, n < 1000)", "event.many.size() == 1000", "!(5000 in event.many)"],
)
def test_of_a_long_list_nobody_looks_at_the_beginning_only(expression: str) -> None:
    assert clause(expression) == (False, "event.many has more than 1,000 items")


def test_a_long_text_is_in_nobodys_way() -> None:
    values = {"event": VALUES["event"], "events": [{"url": "u" * 5000, "revenue": 1.5}]}
    wanted = [
        "event.revenue > 1", "has(event.url)", 'event.url != ""', "events.size() == 1",
        "events.all(one, one.revenue > 1.0)", '!(event.url == "https://example.com/")',
    ]  # fmt: skip

    verdict = compiled(wanted).judge(values)

    assert [one.error for one in verdict.clauses] == [None] * len(wanted)
    assert verdict.holds
    said = compiled(['events.exists(e, e.url.contains("u"))']).judge(values).clauses[0]
    assert said.error == "a value in events is longer than 1,000 characters"


def test_the_answer_explains_itself_with_the_values_it_saw() -> None:
    wanted = ['campaign.status == "active"', "stats.day.refund_rate > 0.5"]

    verdict = compiled(wanted).judge(VALUES)

    assert verdict.holds is False
    assert [(one.holds, one.seen) for one in verdict.clauses] == [
        (True, {"campaign.status": "active"}), (False, {"stats.day.refund_rate": 0.25}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("groups", "holds"),
    [
        ({"any": ["event.revenue > 100", "stats.day.clicks == 3"]}, True),
        ({"all": ["event.revenue > 100", "stats.day.clicks == 3"]}, False),
        ({"not": "event.revenue > 100"}, True),
        (["stats.day.clicks == 3", {"not": {"any": ["event.revenue > 100"]}}], True),
        ([], True),
        (None, True),
    ],
)
def test_groups_hold_expressions_together(groups: Any, holds: bool) -> None:
    assert compiled(groups).judge(VALUES).holds is holds


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (["campain.status == 1"], "undeclared reference to 'campain"),
        (["campaign.status =="], "Syntax error"),
        (["1 + 1"], "INT"),
        (["'text'"], "STRING"),
        (["x" * 3000], "2000 characters"),
        ([""], "empty"),
        (7, "list of expressions"),
        ({"some": []}, "groups"),
        ({"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": "true"}}}}}}}}},
         "deep"),
        (["true"] * 51, "more than 50"),
        (["event.list.all(a, event.list.all(b, event.list.all(c, true)))"], "loops"),
        (["(" * 900 + "true" + ")" * 900], "`"),
        (["event.text" + "+event.text" * 30 + " == ''"], "sums"),
        (["event.list.all(a, event.list.all(b, (event.text" + "+event.text" * 3 + ") != ''))"],
         "sums beside 2 loops"),
        (["\ud800 == 1"], "no JSON"),
    ],
)  # fmt: skip
def test_what_cannot_be_compiled_says_why(told: Any, message: str) -> None:
    with pytest.raises(Unreadable, match=message):
        compiled(told)


@pytest.mark.parametrize(
    "expression",
    [
        "event.list.all(a, event.list.all(b, true))",
        "event.list.map(a, event.text + event.text).size() > 0",
        'event.text.matches("(a+)+$")',
        "1 / (stats.day.clicks - 3) == 1",
        "9223372036854775807 + stats.day.clicks > 0",
        'timestamp("never") > timestamp(now)',
        "event.huge > 1",
        "event.list[99999] == 1",
        "type(event) == type(campaign)",
        '"\\u0000" == event.text',
    ],
)
def test_what_goes_wrong_while_it_is_asked_is_an_answer(expression: str) -> None:
    holds, error = clause(expression)

    assert isinstance(holds, bool)
    assert error is None or (error and not holds)


_TOKENS = st.sampled_from(
    ["event", ".list", ".all(x,", "campaign.status", "==", '"a"', "(", ")", "[", "]", "1", "&&",
     "||", "!", "?", ":", "timestamp(", "+", "-", "%", "{", "}", ",", "in", "null", "1u", "1.5e308",
     '"\\', 'b"', "size(", "matches(", "map(", "é", "has("]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(_TOKENS, max_size=20).map(" ".join) | st.text(max_size=60))
def test_no_expression_ends_the_process(text: str) -> None:
    try:
        verdict = compiled([text]).judge(VALUES)
    except Unreadable:
        return
    assert isinstance(verdict.holds, bool)


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("events.all(e, e.revenue < 100.0)", {"events"}),
        ("events.size() > 1 && event.a.b == 1", {"events", "event.a.b"}),
        ("event.name.startsWith('x')", {"event.name"}),
    ],
    ids=range(3),
)
def test_names_are_whole_paths_without_functions(expression: str, names: set[str]) -> None:
    assert compiled([expression]).names == names
