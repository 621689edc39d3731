"""`hopfleet workflows show`: a workflow's definition, how it stands, what it did and will do."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from db import run_rows, workflow_rows
from db.run_rows import RunRow, Which
from db.workflow_rows import WorkflowRow
from ops.cli import lookup, output, workflow_files, workflow_runs
from ops.cli.database import transaction
from rules.schedules import NoNextTime, upcoming
from rules.trigger_words import sentence
from schemas import triggers
from schemas.triggers import Malformed, Scheduled

_RUNS = 5
_TIMES = 5


def show(workflow: workflow_runs.Which, json: output.Json = False) -> None:
    """Show a workflow: its definition, when it runs, what is wrong, its last runs."""
    with transaction() as tx:
        row = lookup.workflow(tx, workflow)
        last = run_rows.page(tx, Which(row.id), _RUNS)
        now = workflow_rows.now(tx)
    times = next_times(row, now)
    if json:
        output.print_json(
            row._asdict()
            | {
                "runs": when(row),
                "hook_url": workflow_files.hook_url(row),
                "definition": workflow_files.document(row.columns),
                "next": times,
                "last_runs": [_run(one) for one in last],
            }
        )
        return
    output.print_fields(
        {
            "id": row.id,
            "user_id": row.user_id,
            "status": row.status,
            "runs": when(row),
            "problem": row.problem,
            "failures in a row": row.failures or None,
            "hook": workflow_files.hook_url(row),
            "version": row.version,
            "last run": row.last_run_at,
        }
    )
    if row.account in ("suspended", "canceled"):
        output.say(f"Its owner is {row.account}: runs are skipped until that ends.")
    output.say("\n" + workflow_files.dump(row.columns).rstrip())
    if times:
        output.say("\nnext")
        for line in said(times, row):
            output.say(f"  {line}")
    if last:
        output.print_table(
            ("run", "due_at", "state", "why"),
            ([one.id, one.due_at, workflow_runs.stands(one), one.reason] for one in last),
        )


def _run(run: RunRow) -> dict[str, object]:
    return {
        "id": str(run.id),
        "due_at": run.due_at,
        "state": run.state,
        "outcome": run.outcome,
        "reason": run.reason,
    }


def when(row: WorkflowRow) -> str:
    """When it runs, in words; what is wrong with its trigger when nobody can say."""
    try:
        return sentence(triggers.read(row.trigger_type, row.trigger_config))
    except Malformed:
        return f"its trigger ({row.trigger_type}) cannot be read"


def next_times(row: WorkflowRow, now: datetime) -> list[datetime]:
    """When an active one is due next, in UTC; what somebody set by hand comes first."""
    if row.next_run_at is None or row.status != "active":
        return []
    try:
        trigger = triggers.read(row.trigger_type, row.trigger_config)
        if not isinstance(trigger, Scheduled):
            return [row.next_run_at]
        return [row.next_run_at, *upcoming(trigger, max(now, row.next_run_at), _TIMES - 1)]
    except (Malformed, NoNextTime):
        return [row.next_run_at]


def said(times: list[datetime], row: WorkflowRow) -> list[str]:
    """Times by the clock of the schedule's zone, and in UTC."""
    config = row.trigger_config if isinstance(row.trigger_config, dict) else {}
    try:
        zone = ZoneInfo(str(config.get("timezone", "UTC")))
    except (KeyError, ValueError, OSError):
        zone = ZoneInfo("UTC")
    return [clock(moment, zone) for moment in times]


def clock(moment: datetime, zone: ZoneInfo) -> str:
    """A time by a zone's clock, with the same in UTC behind it."""
    local = moment.astimezone(zone)
    if zone.key == "UTC":
        return f"{local:%a %Y-%m-%d %H:%M:%S} UTC"
    return f"{local:%a %Y-%m-%d %H:%M:%S} {zone.key} ({moment.astimezone(UTC):%m-%d %H:%M:%S} UTC)"
