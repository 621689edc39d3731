"""Interpolation: paths become values, and nothing else happens."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.interpolation import MOST_CHARACTERS, Unrenderable, names, render, render_expression

VALUES: dict[str, Any] = {
    "campaign": {"name": "Spring", "id": 7, "tags": ["a", {"deep": True}], "none": None},
    "event": {"revenue": Decimal("9.50"), "at": datetime(2026, 1, 1, tzinfo=UTC)},
    "steps": {"1_ask": {"body": {"items": [{"id": "x1"}]}}},
    "many": list(range(1_000_000)),
    "long": "x" * 200_000,
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("{{ campaign.name }}!", "Spring!"),
        ("{{campaign.id}}", 7),
        ("id {{ campaign.id }}", "id 7"),
        ("{{ campaign.tags }}", ["a", {"deep": True}]),
        ("{{ campaign.tags[1].deep }}", True),
        ("{{ steps.1_ask.body.items[0].id }}", "x1"),
        ("{{ event.revenue }}", "9.50"),
        ("{{ event.at }}", "2026-01-01T00:00:00+00:00"),
        ('{{ campaign.none | default: "no" }}', "no"),
        ("{{ gone | default: 3 }}", 3),
        ({"a": ["{{ campaign.id }}", 1, None]}, {"a": [7, 1, None]}),
        ({"{{ campaign.name }}": 1}, {"Spring": 1}),
        ("}} {", "}} {"),
    ],
)
def test_a_path_becomes_its_value(template: Any, expected: Any) -> None:
    assert render(template, VALUES) == expected


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ campaign.gone }}", "`campaign.gone` is missing"),
        ("{{ campaign.tags[9] }}", "missing"),
        ("{{ campaign.name.__class__ }}", "missing"),
        ("{{ campaign.tags.append }}", "missing"),
        ("{{ open", "not closed"),
        ("{{}}", "no path"),
        ("{{ a + 1 }}", "no path"),
        ("{{ 'x' * 100000000 }}", "no path"),
        ("{% for x in y %}{{ {{ a }} }}", "no path"),
        ("{{ many }}", "longer than"),
        ("{{ long }}{{ long }}", "longer than"),
        ({"a": {"b": ["{{ long }}", "{{ long }}"]}}, "longer than"),
    ],
)
def test_what_cannot_be_filled_in_says_why(template: Any, message: str) -> None:
    with pytest.raises(Unrenderable, match=message):
        render(template, VALUES)


def test_a_value_is_never_read_as_a_template() -> None:
    found = render("{{ event.note }}", {"event": {"note": "{{ secrets.key }}"}, "secrets": {}})

    assert found == "{{ secrets.key }}"


def test_nesting_is_bounded() -> None:
    deep: Any = "{{ campaign.id }}"
    for _ in range(50):
        deep = [deep]

    for look in (lambda: render(deep, VALUES), lambda: names(deep)):
        with pytest.raises(Unrenderable, match="deep"):
            look()


def test_values_of_others_may_be_anything() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    told: dict[str, Any] = {"deep": deep, "huge": 10**30, "half": ["\ud800"], "in": {"n": 10**30}}

    for template in ("{{ input.deep }}", "x {{ input.deep }}"):
        with pytest.raises(Unrenderable, match="deep"):
            render(template, {"input": told})
    assert render("x {{ input.huge }}", {"input": told}) == "x 1" + "0" * 30
    assert render("{{ input.in }}", {"input": told}) == {"n": 10**30}
    assert render("{{ input.half }} {{ input.half[0] }}", {"input": told}) == '["?"] ?'


def test_the_paths_of_a_template_are_known() -> None:
    found = names({"a": "{{ campaign.id }} {{ steps.x[0].y }}", "b": ["{{ secrets.k }}"]})

    assert found == {"campaign.id", "steps.x.0.y", "secrets.k"}


@given(st.recursive(st.text(max_size=40) | st.integers() | st.none(),
                    lambda inner: st.lists(inner, max_size=4), max_leaves=10))  # fmt: skip
def test_any_template_is_filled_in_or_refused(template: Any) -> None:
    try:
        found = render(template, VALUES)
    except Unrenderable:
        return
    assert len(str(found)) <= 2 * MOST_CHARACTERS


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "template", ["{{" * 30_000, "{{ a" + " " * 60_000 + "! }}"], ids=["braces", "spaces"]
)
def test_a_template_that_cannot_be_read_is_refused_at_once(template: str) -> None:
    with pytest.raises(Unrenderable, match=r"is not closed|is no path"):
        names(template)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('event.receipt == "{{ v }}"', 'event.receipt == "\\" || true || \\""'),
        ("event.receipt == '{{ v }}'", 'event.receipt == "\\" || true || \\""'),
        ("event.receipt == {{ v }}", 'event.receipt == "\\" || true || \\""'),
        ("event.amount > {{ n }}", "event.amount > 5"),
        ('event.sub1 == "{{ n }}"', 'event.sub1 == "5"'),
    ],
)
def test_a_value_in_a_condition_is_never_a_part_of_it(expression: str, expected: str) -> None:
    values = {"v": '" || true || "', "n": 5}

    assert render_expression(expression, values) == expected
