"""`hopfleet workflows run`: a run by hand, now."""

from typing import Annotated, Any
from uuid import uuid4

import orjson
import typer

from base.errors import Misused
from db import runs
from db.runs import NewRun
from ops.cli import lookup, output, workflow_files, workflow_runs, workflow_trace
from ops.cli.database import transaction

_MOST_INPUT = 64 * 1024


def start(
    workflow: workflow_runs.Which,
    campaign: Annotated[
        str | None, typer.Option(help="For this campaign, by tracking id or id.")
    ] = None,
    input: Annotated[
        str | None, typer.Option("--input", help="A JSON object: {{ input.… }} in templates.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it has ended, and draw what it did.")
    ] = False,
    json: output.Json = False,
) -> None:
    """Run it now, whatever its trigger; drafts and paused ones, too."""
    given = object_of(input, "--input")
    with transaction() as tx:
        row = lookup.workflow(tx, workflow)
        workflow_files.checked(row)
        about = None
        if campaign is not None:
            about = lookup.campaign(tx, campaign)
            if about.user_id != row.user_id:
                raise Misused(f"The campaign {campaign!r} is another user's.")
        [made] = runs.add(
            tx,
            [
                NewRun(
                    row.id, row.user_id, row.version, "manual", cause=f"manual:{uuid4().hex}",
                    campaign_id=about and about.id, input={"input": given},
                )
            ],
        )  # fmt: skip
    if wait:
        workflow_trace.follow(made, json)
        return
    if json:
        output.print_json({"run": str(made)})
        return
    output.say(str(made))
    output.note(f"What it does: hopfleet workflows trace {made}")


def object_of(typed: str | None, what: str) -> dict[str, Any]:
    """A JSON object as it was typed; empty when nothing was."""
    if typed is None:
        return {}
    try:
        read = orjson.loads(typed)
    except orjson.JSONDecodeError as error:
        raise Misused(f"{what} is no JSON ({error}): it looks like '{{\"name\": 1}}'.") from None
    if not isinstance(read, dict):
        raise Misused(f"{what} is no JSON object: it looks like '{{\"name\": 1}}'.")
    if len(typed) > _MOST_INPUT or "\\u0000" in typed:
        raise Misused(f"{what} holds zero bytes, or more than {_MOST_INPUT // 1024} kB.")
    return read
