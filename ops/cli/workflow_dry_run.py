"""`hopfleet workflows dry-run`: what a workflow would do, and when; nothing is written."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import typer

from base.errors import Misused
from db import scopes, secrets, stats, workflow_rows, workflow_samples
from db.connection import Tx
from db.run_work import Run
from db.users import UserRow
from db.workflow_samples import Sample
from ops.cli import lookup, output, workflow_files, workflow_rehearsal
from ops.cli.database import transaction
from ops.cli.workflow_rehearsal import Rehearsed, Subject, Told, zone_of
from ops.cli.workflow_start import object_of
from rules import conditions
from rules.schedules import NoNextTime, upcoming
from rules.subjects import wants_campaign
from rules.trigger_words import sentence
from schemas.triggers import EventTrigger, Scheduled
from schemas.workflow_events import seen
from schemas.workflows import Definition
from workers.workflows.scope import HIDDEN, Scope

_TIMES = 5
_MOST_CAMPAIGNS = 20
_MOST_EVENTS = 100


class _Asked(NamedTuple):
    definition: Definition
    owner: UserRow
    workflow_id: UUID | None
    campaign: str | None
    event: dict[str, Any] | None
    input: dict[str, Any]


def dry_run(
    workflow: Annotated[
        str, typer.Argument(metavar="WORKFLOW|FILE", help="One that is stored, a file, or -.")
    ],
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="Whose, of a file: by e-mail or id.")
    ] = None,
    campaign: Annotated[
        str | None, typer.Option(help="For this campaign, by tracking id or id.")
    ] = None,
    event: Annotated[
        str | None, typer.Option(help="With this event, a JSON object [the latest that fits]")
    ] = None,
    input: Annotated[str | None, typer.Option("--input", help="As of `workflows run`.")] = None,
    json: output.Json = False,
) -> None:
    """Show when it fires, whether its conditions hold now, and what each step would do."""
    given = None if event is None else object_of(event, "--event")
    values = object_of(input, "--input")
    file = workflow_files.read(workflow) if _is_file(workflow) else None
    with transaction() as tx:
        tx.execute("SET TRANSACTION READ ONLY")  # whatever we do wrong, nothing is written
        if file is not None:
            if user is None:
                raise Misused("Say whose it would be: --user E.")
            owner, row_id, definition = lookup.user(tx, user), None, file.definition
        else:
            row = lookup.workflow(tx, workflow, user)
            owner, row_id = lookup.user(tx, str(row.user_id)), row.id
            definition = workflow_files.checked(row)
        told = _look(tx, _Asked(definition, owner, row_id, campaign, given, values))
    if json:
        output.print_json(_facts(told))
    else:
        # Rich costs a tenth of a second; scripts do without.
        from ops.cli.workflow_rehearsed import draw

        output.print_drawn(draw(told))


def _is_file(typed: str) -> bool:
    try:
        return typed == "-" or Path(typed).is_file() or typed.endswith((".yaml", ".yml", ".json"))
    except (OSError, ValueError):
        return False


def _look(tx: Tx, asked: _Asked) -> Told:
    definition, now = asked.definition, workflow_rows.now(tx)
    times, over = _times(definition, now)
    sample, where = _event(tx, asked)
    scope = _Scopes(tx, asked, sample, now)
    subjects, chosen = [], []
    for one in scope.campaigns():
        holds, clauses = workflow_rehearsal.judged(definition.conditions, scope.of(one))
        subjects.append(Subject(one, holds, clauses))
        chosen.append(one)
    lacks = None if subjects else "There is no campaign it could be about: a run would be skipped."
    best = next((one for one in subjects if one.holds is not False), None) or (
        subjects[0] if subjects else None
    )
    steps: list[Rehearsed] = []
    if best is not None:
        steps = list(workflow_rehearsal.steps(definition.actions, scope.of(best.campaign)))
    return Told(
        definition.name, definition, now, times, over, sample and sample.data, where, subjects,
        lacks, steps,
    )  # fmt: skip


def _times(definition: Definition, now: datetime) -> tuple[list[datetime], str | None]:
    trigger = definition.trigger
    if not isinstance(trigger, Scheduled):
        return [], None
    try:
        found = upcoming(trigger, now, _TIMES)
    except NoNextTime as error:
        return [], str(error)
    return found, None if found else "Its schedule is over: give it a time to come."


def _event(tx: Tx, asked: _Asked) -> tuple[Sample | None, tuple[bool | None, list[dict[str, Any]]]]:
    """The event to try it on: the latest that its filter takes, else the latest."""
    trigger = asked.definition.trigger
    if not isinstance(trigger, EventTrigger):
        given = None if asked.event is None else Sample(asked.event, None)
        return given, (None, [])
    if asked.event is not None:
        found = [Sample({"type": trigger.event, **asked.event}, None)]
    else:
        found = workflow_samples.latest(
            tx, asked.owner.id, trigger.event, asked.workflow_id, _MOST_EVENTS
        )
    where = conditions.compiled(list(trigger.where))
    judged = [(one, where.judge({"event": seen(one.data)})) for one in found]
    best = next(((one, said) for one, said in judged if said.holds), judged[0] if judged else None)
    if best is None:
        return None, (None, [])
    return best[0], (best[1].holds, [one._asdict() for one in best[1].clauses])


class _Scopes:
    """Makes the names that a run about one campaign or another would see."""

    def __init__(self, tx: Tx, asked: _Asked, sample: Sample | None, now: datetime) -> None:
        self._tx, self._asked, self._sample, self._now = tx, asked, sample, now
        self._user = scopes.users(tx, [asked.owner.id])[asked.owner.id]

    def campaigns(self) -> list[dict[str, Any] | None]:
        """What a run could be about; a single None when it is about no campaign."""
        asked, trigger = self._asked, self._asked.definition.trigger
        named = asked.campaign or trigger.campaign
        if named is not None:
            found = scopes.campaign_named(self._tx, asked.owner.id, named)
            if found is None:
                raise Misused(f"{asked.owner.email} has no campaign {named!r}.")
            ids = [found]
        elif self._sample is not None and self._sample.campaign_id is not None:
            ids = [self._sample.campaign_id]
        elif wants_campaign(asked.definition):
            ids = scopes.campaigns_of(self._tx, asked.owner.id, _MOST_CAMPAIGNS)
        else:
            return [None]
        rows = scopes.campaigns(self._tx, ids)
        return [rows[one] for one in ids if one in rows]

    def of(self, campaign: dict[str, Any] | None) -> Scope:
        """The names of a run about this campaign; secrets are never opened."""
        asked, tx, now = self._asked, self._tx, self._now
        data = self._sample.data if self._sample else None
        run = Run(
            id=0, attempts=1, workflow_id=asked.workflow_id or UUID(int=0), user_id=asked.owner.id,
            version=0, trigger=_trigger(asked.definition), due_at=now,
            campaign_id=None if campaign is None else campaign["id"],
            input={"event": data, "events": [data] if data else [], "number": 1,
                   "input": asked.input},
            depth=0, cancel=False, outcome=None, started_at=now, losses=0,
        )  # fmt: skip
        return Scope(
            run, now, self._user, campaign,
            lambda: stats.of_campaign(tx, asked.owner.id, campaign["id"], now) if campaign else {},
            lambda: {one.name: HIDDEN for one in secrets.names(tx, asked.owner.id)},
        )  # fmt: skip


def _trigger(definition: Definition) -> str:
    kinds = {Scheduled: "scheduled", EventTrigger: "event"}
    return kinds.get(type(definition.trigger), "manual")


def _facts(told: Told) -> dict[str, Any]:
    zone = zone_of(told.definition)
    held, clauses = told.where
    return {
        "name": told.name,
        "runs": sentence(told.definition.trigger),
        "next": [
            {"at": moment, "local": moment.astimezone(zone).isoformat()} for moment in told.next
        ],
        "problem": told.over or told.lacks,
        "event": told.event,
        "where": {"holds": held, "clauses": clauses},
        "subjects": [
            {
                "campaign": one.campaign
                and {name: one.campaign[name] for name in ("id", "name", "tracking_id")},
                "holds": one.holds,
                "clauses": one.clauses,
            }
            for one in told.subjects
        ],
        "steps": [one._asdict() for one in told.steps],
    }
