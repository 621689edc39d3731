"""`hopfleet workflows`: what happens by itself, at a time or because of something."""

from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import typer

from base.errors import Misused
from db import workflow_rows
from db.connection import Tx
from db.paging import Place, place
from db.workflow_rows import WorkflowRow
from ops.cli import (
    lookup,
    output,
    workflow_dry_run,
    workflow_export,
    workflow_files,
    workflow_replay,
    workflow_runs,
    workflow_secrets,
    workflow_show,
    workflow_start,
    workflow_trace,
)
from ops.cli.database import transaction
from ops.cli.entry import one_of, text
from ops.cli.workflow_files import first_time, hook_url
from ops.cli.workflow_show import when

STATUSES = ("draft", "active", "paused")

app = typer.Typer()
app.command("runs")(workflow_runs.listed)
app.command("run")(workflow_start.start)
app.command("cancel")(workflow_runs.cancel)
app.command("show")(workflow_show.show)
app.command("dry-run")(workflow_dry_run.dry_run)
app.command("trace")(workflow_trace.trace)
app.command("replay")(workflow_replay.replay)
app.command("export")(workflow_export.export)
app.command("schema")(workflow_export.schema)
app.add_typer(workflow_secrets.app, name="secrets")

File = Annotated[str, typer.Argument(metavar="FILE", help="YAML or JSON; - reads it from stdin.")]


class Shown(NamedTuple):
    """A workflow in a list."""

    id: UUID
    user_id: UUID
    name: str
    status: str
    runs: str  # when, in words
    next_run_at: datetime | None
    last_run_at: datetime | None
    problem: str | None
    version: int
    created_at: datetime


@app.command()
def add(
    file: File,
    user: Annotated[str, typer.Option(metavar="USER", help="The user's e-mail or id.")],
    draft: Annotated[bool, typer.Option("--draft", help="Not active yet.")] = False,
    json: output.Json = False,
) -> None:
    """Add a workflow, active unless --draft."""
    columns, definition = workflow_files.read(file)
    with transaction() as tx:
        owner = lookup.user(tx, user)
        due = None if draft else first_time(definition.trigger, workflow_rows.now(tx))
        row = workflow_rows.add(tx, owner.id, columns, "draft" if draft else "active", due)
    _print(row, json)
    if not json and owner.status in ("suspended", "canceled"):
        output.note(f"{owner.email} is {owner.status}: runs are skipped until that ends.")


@app.command("list")
def list_(
    user: Annotated[str | None, typer.Option(metavar="USER", help="Only this user's.")] = None,
    status: Annotated[str | None, typer.Option(help=" | ".join(STATUSES))] = None,
    limit: output.Limit = 50,
    after: output.After = None,
    json: output.Json = False,
) -> None:
    """Show workflows, newest first, with what is wrong with them."""
    if status is not None:
        one_of(status, STATUSES, "--status")
    with transaction() as tx:
        owner = lookup.user(tx, user).id if user else None
        rows = workflow_rows.page(tx, limit + 1, place(after), user_id=owner, status=status)
    page = [_shown(row) for row in rows[:limit]]
    more = str(Place(page[-1].created_at, page[-1].id)) if len(rows) > limit else None
    columns = ("name", "status", "runs", "next_run_at", "last_run_at", "problem", "id")
    none = "No workflows: `hopfleet workflows add FILE --user E`."
    output.print_page(json, page, more, columns, none)


def _shown(row: WorkflowRow) -> Shown:
    return Shown(
        row.id, row.user_id, row.name, row.status, when(row), row.next_run_at, row.last_run_at,
        row.problem, row.version, row.created_at,
    )  # fmt: skip


@app.command("set")
def set_(
    workflow: workflow_runs.Which,
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="Its new definition; - reads stdin.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    rotate_hook: Annotated[
        bool, typer.Option("--rotate-hook", help="Another address; the one it has ends.")
    ] = False,
    json: output.Json = False,
) -> None:
    """Change its definition, from a file; runs that have begun end on the one they have."""
    if file is None and name is None and not rotate_hook:
        raise Misused("Nothing to set: name a file, --name or --rotate-hook.")
    fields: dict[str, Any] = {}
    asked = None if file is None else workflow_files.read(file)
    if asked is not None:
        fields = asked.columns._asdict()
    if name is not None:
        fields["name"] = text(name, "--name", 255, least=1)
    with transaction() as tx:
        row = _locked(tx, workflow)
        if rotate_hook:
            if hook_url(row) is None and (
                asked is None or workflow_files.listens(asked[1]) != "hook"
            ):
                raise Misused(f"{row.name} has no hook: its trigger is another.")
            workflow_rows.rotate_hook(tx, row.id)
        planned: dict[str, Any] = {}
        if asked is not None and row.status == "active" and _moved(row, fields):
            planned["next_run_at"] = first_time(asked.definition.trigger, workflow_rows.now(tx))
        if fields:
            workflow_rows.change(tx, row.id, fields, **planned)
        row = workflow_rows.find(tx, row.id) or row
    _print(row, json)


def _moved(row: WorkflowRow, fields: dict[str, Any]) -> bool:
    before = (row.trigger_type, row.trigger_config)
    return before != (fields["trigger_type"], fields["trigger_config"])


def _locked(tx: Tx, which: str) -> WorkflowRow:
    """A workflow that nobody fires or changes until the transaction ends."""
    found = lookup.workflow(tx, which)
    workflow_rows.lock(tx, found.id)
    return workflow_rows.find(tx, found.id) or found


@app.command()
def enable(workflow: workflow_runs.Which, json: output.Json = False) -> None:
    """Make a draft or a paused one active; what it missed meanwhile does not fire."""
    with transaction() as tx:
        row = _locked(tx, workflow)
        if row.status != "active" or row.problem is not None:
            definition = workflow_files.checked(row)
            due = first_time(definition.trigger, workflow_rows.now(tx))
            workflow_rows.change(tx, row.id, {"status": "active"}, next_run_at=due)
        row = workflow_rows.find(tx, row.id) or row
    _print_status(row, json)


@app.command()
def pause(workflow: workflow_runs.Which, json: output.Json = False) -> None:
    """Fire it no more; runs that have begun go on."""
    with transaction() as tx:
        row = _locked(tx, workflow)
        workflow_rows.change(tx, row.id, {"status": "paused"})
        row = workflow_rows.find(tx, row.id) or row
    _print_status(row, json)


def _print_status(row: WorkflowRow, json: bool) -> None:
    if json:
        output.print_json({"id": row.id, "status": row.status, "next_run_at": row.next_run_at})
        return
    next_ = f"; next {output.short(row.next_run_at)} UTC" if row.next_run_at else ""
    output.say(f"{row.name} is {row.status}{next_}.")


def _print(row: WorkflowRow, json: bool) -> None:
    made = {
        "id": row.id,
        "version": row.version,
        "next_run_at": row.next_run_at,
        "hook_url": hook_url(row),
    }
    if json:
        output.print_json(made)
        return
    output.print_fields({"name": row.name, "status": row.status, "runs": when(row), **made})
