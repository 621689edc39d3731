"""Workflows as another application writes them, and what became of their runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from tests import make
from tests.fleet.fleet import Fleet

PLANNED_SECONDS = 8  # two, on a machine whose cores are ours
FIRED_SECONDS = 15


class Run(NamedTuple):
    """A run as its row shows it."""

    id: int
    due_at: datetime
    version: int
    state: str
    outcome: str | None
    reason: str | None


@contextmanager
def allowed(fleet: Fleet, url: str, **settings: str) -> Iterator[None]:
    """Workflows may call this server of the test while the block lasts."""
    upkeep = fleet.programs["upkeep"]
    before = upkeep.environment
    port = url.rpartition(":")[2].strip("/")
    told = {"call_private": "127.0.0.0/8", "call_ports": port, **settings}
    more = {f"HOPFLEET_{name.upper()}": value for name, value in told.items()}
    fleet.kill("upkeep")
    upkeep.environment = {**before, **more}
    try:
        fleet.start("upkeep")
        yield
    finally:
        upkeep.end()
        upkeep.environment = before
        fleet.start("upkeep")


def note(text: str) -> dict[str, Any]:
    """A step that leaves a trace."""
    return {"record_note": {"text": text}}


def every_second(**more: Any) -> dict[str, Any]:
    """A schedule that fires all the time."""
    return {"every_seconds": 1, "overlap": "allow", **more}


def workflow(
    fleet: Fleet,
    owner: make.Made,
    actions: list[Any],
    trigger: dict[str, Any] | None = None,
    **columns: Any,
) -> UUID:
    """An active workflow, scheduled when it has a trigger; inserted by plain SQL."""
    usual = {
        "user_id": owner["id"],
        "name": "A workflow",
        "trigger_type": "scheduled" if trigger else "manual",
        "trigger_config": Jsonb(trigger) if trigger else None,
        "actions": Jsonb(actions),
        "status": "active",
    }
    with fleet.connect() as session:
        found: UUID = make.insert(session, "workflows", usual | columns)["id"]
    return found


def start(fleet: Fleet, workflow_id: UUID, count: int = 1, **given: Any) -> list[int]:
    """Runs of a workflow that may begin at once, with `given` as their input; their ids."""
    rows = fleet.sql(
        "INSERT INTO workflow_runs (workflow_id, user_id, version, trigger, cause, input)"
        " SELECT w.id, w.user_id, s.version, 'manual', gen_random_uuid()::text, %s"
        " FROM workflows w JOIN workflow_states s ON s.workflow_id = w.id,"
        " generate_series(1, %s) WHERE w.id = %s RETURNING id",
        Jsonb({"input": given}), count, workflow_id,
    )  # fmt: skip
    return [row[0] for row in rows]


def runs(fleet: Fleet, workflow_id: UUID) -> list[Run]:
    """All runs of a workflow, by their due times."""
    rows = fleet.sql(
        "SELECT id, due_at, version, state, outcome, reason FROM workflow_runs"
        " WHERE workflow_id = %s ORDER BY due_at, id", workflow_id,
    )  # fmt: skip
    return [Run(*row) for row in rows]


def ended(fleet: Fleet, run_id: int) -> str | None:
    """The outcome of a run that is over."""
    rows = fleet.sql(
        "SELECT outcome FROM workflow_runs WHERE id = %s AND state IN ('done', 'dead')", run_id
    )
    return rows[0][0] if rows else None


def notes(fleet: Fleet, workflow_id: UUID) -> list[str]:
    """What its runs wrote down, in that order."""
    rows = fleet.sql(
        "SELECT text FROM workflow_notes WHERE workflow_id = %s ORDER BY id", workflow_id
    )
    return [row[0] for row in rows]


def row(fleet: Fleet, workflow_id: UUID) -> tuple[str, datetime | None, int, str | None]:
    """Of a workflow: status, next time, version, problem."""
    ((status, following, version, problem),) = fleet.sql(
        "SELECT w.status, w.next_run_at, s.version, s.problem FROM workflows w"
        " JOIN workflow_states s ON s.workflow_id = w.id WHERE w.id = %s", workflow_id,
    )  # fmt: skip
    return status, following, version, problem
