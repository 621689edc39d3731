"""Definitions: what may be carried out is read, and everything else says what is wrong."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.definitions import read
from schemas.triggers import EventTrigger, Malformed

NOTE: dict[str, Any] = {"record_note": {"text": "x"}}


def manual(actions: Any, **config: Any) -> Any:
    return read("n", "manual", config, None, actions)


def test_the_whole_of_an_event_workflow_is_read() -> None:
    found = read(
        "Tell them", "event",
        {"event": "bonus delivered", "where": ["event.revenue >= 50"], "debounce_seconds": 60},
        {"any": ["event.revenue > 1", "has(event.receipt)"]},
        [
            {"name": "ask", "http_request": {"url": "https://example.com", "json": {"a": 1}},
             "retry": {"attempts": 2}, "on_error": "continue"},
            {"branch": {"if": ["steps.ask.status == 200"], "then": [NOTE], "else": [NOTE]}},
            {"for_each": {"items": "{{ steps.ask.body }}", "as": "one", "do": [NOTE]}},
            {"wait": {"event": "refund", "timeout_seconds": 60}},
            NOTE,
        ],
    )  # fmt: skip

    assert isinstance(found.trigger, EventTrigger)
    assert found.trigger.event == "bonus_delivered"
    assert [step.action for step in found.actions] == [
        "http_request", "branch", "for_each", "wait", "record_note",
    ]  # fmt: skip


def nested(depth: int) -> Any:
    step: Any = NOTE
    for _ in range(depth):
        step = {"branch": {"if": ["true"], "then": [step]}}
    return [step]


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ([{"set_campaign_statsu": {}}], "did you mean set_campaign_status"),
        ([{"record_note": {"text": "x"}, "wait": {"seconds": 1}}], "one action"),
        ([{"record_note": {"txt": "x"}}], r"actions\.0.*text"),
        ([{"wait": {}}], "duration"),
        ([{"wait": {"event": "birth"}}], "there is no event 'birth'"),
        ([{"http_request": {"url": "x", "json": 1, "body": "y"}}], "one of json"),
        ([{"record_note": {"text": "{{ steps.gone.x }}"}}], "names no step"),
        ([{"record_note": {"text": "{{ open"}}], "not closed"),
        ([{"branch": {"if": ["nope.x"], "then": []}}], "undeclared"),
        ([{"name": "a", **NOTE}, {"name": "a", **NOTE}], "another step"),
        ([{"name": "a b\n", **NOTE}], "name"),
        ([NOTE] * 201, "more than 200"),
        (nested(12), "deep"),
        ([], "none"),
        (None, "list of steps"),
        ([{"record_note": {"text": "x" * 300_000}}], "longer than 256"),
    ],
)
def test_what_is_wrong_is_named(actions: Any, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        manual(actions)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (("", "manual", {}, None, [NOTE]), "name"),
        (("a\r\nb", "manual", {}, None, [NOTE]), "control"),
        (("n", "hourly", {}, None, [NOTE]), "trigger.type"),
        (("n", "manual", [], None, [NOTE]), "not an object"),
        (("n", "event", {"event": "birth"}, None, [NOTE]), "trigger.event"),
        (("n", "event", {"event": "click", "where": ["x"]}, None, [NOTE]), "trigger.where"),
        (("n", "scheduled", {"cron": "0 0 30 2 *"}, None, [NOTE]), "trigger.cron"),
        (("n", "manual", {"settings": {"on_error": [{"no": 1}]}}, None, [NOTE]), "on_error"),
        (("n", "manual", {}, ["campaign."], [NOTE]), "conditions"),
    ],
)
def test_every_column_is_looked_at(columns: tuple[Any, ...], message: str) -> None:
    with pytest.raises(Malformed, match=message):
        read(*columns)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["wait", "branch", "if", "then", "name", "record_note", "text", "do",
                         "for_each", "items", "on_error", "retry", "cron", "event", "settings"])
        | st.text(max_size=5),
        inner, max_size=3,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(_JSON, st.sampled_from(["manual", "scheduled", "event"]) | _JSON, _JSON, _JSON, _JSON)
def test_whatever_a_row_holds_is_read_or_malformed(
    name: Any, kind: Any, config: Any, conditions: Any, actions: Any
) -> None:
    try:
        found = read(name, kind, config, conditions, actions)
    except Malformed as error:
        faults = error.faults
    else:
        faults = []
        assert found.actions
    assert all(fault.message for fault in faults)
