"""A dry run as people read it: when, on what, whether, and what would be done."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from rich.console import Group
from rich.text import Text

from ops.cli.output import printable
from ops.cli.workflow_picture import clause_line
from ops.cli.workflow_rehearsal import Rehearsed, Subject, Told, zone_of
from ops.cli.workflow_show import clock
from rules.trigger_words import sentence
from schemas.triggers import EventTrigger

_MOST_SHOWN = 3  # campaigns whose every expression is shown


def draw(told: Told) -> Group:
    """The picture, for `output.print_drawn`."""
    head = Text(printable(told.name), style="bold")
    head.append(f"  {printable(sentence(told.definition.trigger))}", style="not bold")
    parts: list[Text] = [head]
    for block in (_times(told), _event(told), _subjects(told), _steps(told)):
        if block:
            parts += [Text(), *block]
    parts += [Text(), Text("Nothing was done.", style="dim")]
    return Group(*parts)


def _times(told: Told) -> list[Text]:
    if told.over is not None:
        return [Text(told.over, style="red")]
    if not told.next:
        return []
    zone = zone_of(told.definition)
    found = [Text("next", style="bold")]
    before = told.now
    for moment in told.next:
        if change := clock_change(before, moment, zone):
            found.append(Text(f"  {change}", style="yellow"))
        found.append(Text(f"  {clock(moment, zone)}"))
        before = moment
    return found


def clock_change(before: datetime, after: datetime, zone: ZoneInfo) -> str | None:
    """What happens to the zone's clock between two times; None when nothing does."""
    then, now = before.astimezone(zone).utcoffset(), after.astimezone(zone).utcoffset()
    if then == now or then is None or now is None:
        return None
    minutes = int((now - then).total_seconds() // 60)
    way = "forward" if minutes > 0 else "back"
    return f"here the clocks of {zone.key} go {way} by {abs(minutes)} minutes"


def _event(told: Told) -> list[Text]:
    trigger = told.definition.trigger
    if told.event is None:
        if not isinstance(trigger, EventTrigger):
            return []
        return [Text(f"No {trigger.event} is known to try it on: --event JSON.", style="yellow")]
    found = [Text("event", style="bold"), Text(f"  {_line(told.event)}", style="dim")]
    holds, clauses = told.where
    if holds is False:
        found.append(Text("  its filter does not take it:", style="yellow"))
    return found + [clause_line(one) for one in clauses]


def _subjects(told: Told) -> list[Text]:
    if told.lacks is not None:
        return [Text(told.lacks, style="yellow")]
    if not told.definition.conditions:
        return []
    found = []
    for number, one in enumerate(told.subjects):
        found.append(Text(f"conditions{_about(one)}: {_said(one.holds)}", style="bold"))
        shown = one.clauses if number < _MOST_SHOWN else []
        found += [clause_line(clause) for clause in shown]
    return found


def _about(subject: Subject) -> str:
    if subject.campaign is None:
        return ""
    return printable(f", {subject.campaign['name']} ({subject.campaign['tracking_id']})")


def _said(holds: bool | None) -> str:
    if holds is None:
        return "only the run can say"
    return "hold" if holds else "do not hold"


def _steps(told: Told) -> list[Text]:
    if not told.steps:
        return []
    about = [one for one in told.subjects if one.holds is not False]
    subject = (about or told.subjects)[0]
    if_it_ran = "" if about else " if it ran"
    found = [Text(f"steps{if_it_ran}{_about(subject)}", style="bold")]
    for step in told.steps:
        found += _step(step)
    return found


def _step(step: Rehearsed) -> list[Text]:
    indent = "  " * (step.depth + 1)
    mark, style = {True: ("→", "green"), False: ("-", "dim"), None: ("?", "yellow")}[step.does]
    line = Text(f"{indent}{mark} ", style=style)
    line.append(printable(step.name), style="bold" if step.does else "dim")
    told = [] if step.action in step.name else [step.action]
    told += [step.note] if step.note else []
    told += [_line(step.input)] if step.input not in (None, {}) else []
    line.append("  " + "  ".join(told), style="default" if step.does else "dim")
    found = [line]
    if step.error:
        found.append(Text(f"{indent}    would fail: {printable(step.error)}", style="red"))
    if step.does is not True:
        found += [clause_line(one, indent) for one in step.clauses]
    return found


def _line(value: Any) -> str:
    return printable(orjson.dumps(value, default=str).decode())
