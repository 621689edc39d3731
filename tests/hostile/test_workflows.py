"""Items 61, 62 and 65: definitions, templates and inputs that mean harm."""

from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from tests.fleet import automation
from tests.fleet.automation import note
from tests.fleet.program import until
from tests.hostile.siege import Siege

_SECONDS = 30


def _owner(siege: Siege) -> dict[str, Any]:
    return {"id": siege.user_id}


def _flow(siege: Siege, actions: list[Any], **columns: Any) -> UUID:
    return automation.workflow(siege.fleet, _owner(siege), actions, **columns)


def _ends(siege: Siege, flow: UUID, **given: Any) -> automation.Run:
    """One run with this input, once it is over."""
    (number,) = automation.start(siege.fleet, flow, **given)
    until(lambda: automation.ended(siege.fleet, number), _SECONDS, "the run ends")
    return next(run for run in automation.runs(siege.fleet, flow) if run.id == number)


def _problem(siege: Siege, **columns: Any) -> str:
    """Why the scheduler has paused a workflow with these columns."""
    flow = _flow(siege, columns.pop("actions", [note("x")]), **columns)
    until(lambda: automation.row(siege.fleet, flow)[0] == "paused", _SECONDS, "it is paused")
    return automation.row(siege.fleet, flow)[3] or ""


def test_item_65_workflows_that_start_each_other_stop(siege: Siege) -> None:
    one = _flow(siege, [{"run_workflow": {"workflow": "two"}}], name="one")
    two = _flow(siege, [{"run_workflow": {"workflow": "one"}}], name="two")

    automation.start(siege.fleet, one)

    def found() -> list[automation.Run]:
        return [*automation.runs(siege.fleet, one), *automation.runs(siege.fleet, two)]

    until(
        lambda: [run for run in found() if "loop" in (run.reason or "")], _SECONDS, "the loop ends"
    )
    assert len(found()) <= 10
    assert {run.state for run in found()} <= {"done", "dead"}


def test_item_65_a_workflow_that_causes_its_own_event_stops(siege: Siege) -> None:
    post = {"type": "post", "title": "again", "body": "again", "status": "published"}
    flow = _flow(
        siege, [{"create_content": post}], trigger_type="event",
        trigger_config=Jsonb({"event": "content_published"}),
    )  # fmt: skip
    until(
        lambda: siege.fleet.sql(
            "SELECT 1 FROM workflow_states WHERE workflow_id = %s AND listens IS NOT NULL", flow
        ),
        _SECONDS, "it listens",
    )  # fmt: skip

    siege.fleet.sql(
        "INSERT INTO content (user_id, type, body, status, published_at)"
        " VALUES (%s, 'post', 'first', 'published', now())", siege.user_id,
    )  # fmt: skip

    def loops() -> list[automation.Run]:
        found = automation.runs(siege.fleet, flow)
        return [run for run in found if "loop" in (run.reason or "")]

    until(loops, _SECONDS, "the loop ends")
    assert len(automation.runs(siege.fleet, flow)) <= 10
    siege.fleet.sql("DELETE FROM workflows WHERE id = %s", flow)


@pytest.mark.parametrize(
    "actions",
    [
        pytest.param([note("x")] * 10_000, id="steps"),
        pytest.param([{"for_each": {"items": [1] * 1_000_000, "do": [note("x")]}}], id="items"),
        pytest.param([{"for_each": {"items": "{{ input.a }}", "max": 10**6, "do": [note("x")]}}],
                     id="bound"),
        pytest.param([note("{{ input.a }}" * 100_000)], id="template"),
        pytest.param([note("{{ input.a")], id="unclosed"),
        pytest.param([], id="none"),
        pytest.param([{"http_request": {"url": "https://example.com", "nope": 1}}], id="unknown"),
    ],
)  # fmt: skip
def test_item_65_definitions_beyond_all_bounds_are_paused(siege: Siege, actions: list[Any]) -> None:
    said = _problem(
        siege, actions=actions, trigger_type="scheduled",
        trigger_config=Jsonb({"every_seconds": 1}),
    )  # fmt: skip

    assert 0 < len(said) < 3_000


@pytest.mark.parametrize(
    "trigger",
    [
        pytest.param({"cron": "* * * * *", "timezone": "Mars/Phobos"}, id="zone"),
        pytest.param({"cron": "0 0 30 2 *"}, id="never"),
        pytest.param({"cron": "* " * 5_000}, id="long"),
        pytest.param({"every_seconds": 0}, id="zero"),
        pytest.param({"every_seconds": 10**30}, id="huge"),
        pytest.param({"at": "2001-01-01T00:00:00Z"}, id="past"),
        pytest.param({"every_days": 1, "start": "9999-12-31T23:00:00-12:00"}, id="end"),
        pytest.param([1, 2, 3], id="list"),
    ],
)
def test_item_65_schedules_that_mean_harm_are_paused(siege: Siege, trigger: Any) -> None:
    said = _problem(siege, trigger_type="scheduled", trigger_config=Jsonb(trigger))

    assert 0 < len(said) < 3_000


def test_item_65_a_schedule_at_the_end_of_the_calendar_is_kept(siege: Siege) -> None:
    flow = _flow(
        siege, [note("x")], trigger_type="scheduled",
        trigger_config=Jsonb({"at": "9999-12-31T23:59:59Z"}),
    )  # fmt: skip

    until(lambda: automation.row(siege.fleet, flow)[1], _SECONDS, "it has a next time")
    assert automation.row(siege.fleet, flow)[0] == "active"
    assert automation.runs(siege.fleet, flow) == []


def test_item_65_a_million_steps_end_at_the_budget(siege: Siege) -> None:
    inner: list[Any] = [note("x")]
    for _ in range(3):
        inner = [{"for_each": {"items": list(range(100)), "do": inner}}]
    flow = _flow(siege, inner)

    run = _ends(siege, flow)

    assert (run.state, run.outcome) == ("dead", "failed")
    assert "1000 steps" in (run.reason or "")
    assert len(automation.notes(siege.fleet, flow)) <= 1_000


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(note("{{ input.long }}" * 20), id="text"),
        pytest.param({"for_each": {"items": "{{ input.many }}", "do": [note("x")]}}, id="items"),
        pytest.param({"for_each": {"items": "{{ input.long }}", "do": [note("x")]}}, id="no list"),
        pytest.param(note("{{ input.deep.a.b.c }}"), id="missing"),
        pytest.param(note("{{ input.__class__ }}"), id="attribute"),
    ],
)
def test_item_65_template_bombs_fail_their_step(siege: Siege, step: Any) -> None:
    flow = _flow(siege, [step])

    run = _ends(siege, flow, long="x" * 50_000, many=list(range(20_000)), deep={"a": None})

    assert (run.state, run.outcome) == ("dead", "failed")
    assert 0 < len(run.reason or "") < 1_000
    assert automation.notes(siege.fleet, flow) == []


_ROUND = "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]"


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param("(" * 5_000 + "true" + ")" * 5_000, id="deep"),
        pytest.param(
            "".join(f"{_ROUND}.all({name}, " for name in "abcdef") + "true" + ")" * 6, id="macros"
        ),
        pytest.param('input.text.matches("(a+)+$")', id="regex"),
        pytest.param('input.text.matches("(x{1000}){1000}")', id="repeats"),
        pytest.param("1 / 0 == 1", id="division"),
        pytest.param("nobody.knows == 1", id="unknown"),
        pytest.param("input.text + input.text", id="text"),
    ],
)  # fmt: skip
def test_item_65_conditions_that_never_end_do_not_hold(siege: Siege, condition: str) -> None:
    flow = _flow(siege, [note("x")], conditions=Jsonb([condition]))

    run = _ends(siege, flow, text="a" * 900 + "!")

    assert run.outcome in ("not_met", "failed")
    assert run.reason
    assert automation.notes(siege.fleet, flow) == []


def test_item_65_names_that_control_a_terminal_are_paused_and_only_text(siege: Siege) -> None:
    name = "evil\x1b[31m\r\nfake line"
    trigger = {"every_seconds": 1}

    said = _problem(siege, name=name, trigger_type="scheduled", trigger_config=Jsonb(trigger))
    shown = siege.fleet.hopfleet("workflows", "list", "--user", str(siege.user_id))

    assert "name" in said
    assert "\x1b" not in shown
    assert not [line for line in shown.splitlines() if line.startswith("fake")]
