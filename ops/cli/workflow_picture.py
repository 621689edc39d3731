"""A run as a picture: what it did when, how long each step took, and why something was not done."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from db.run_rows import RunRow, StepRow, TryRow
from ops.cli.output import printable, short
from ops.cli.workflow_runs import CONDITIONS, duration, stands

if TYPE_CHECKING:
    from rich.console import Group

WIDTH = 36
_MOST = 90
_MOST_CHILDREN = 20
_MARKS = {"✓": "green", "✗": "red", "?": "red", "-": "dim", "…": "yellow", "○": "dim"}
_WAITING = "░"
_TRIED = "█"
_BETWEEN = "·"


class Trace(NamedTuple):
    """A run and all that is known of it; `ahead` names the outermost steps it did not reach."""

    run: RunRow
    name: str
    steps: list[StepRow]
    tries: dict[str, list[TryRow]]  # by the step's path
    children: list[RunRow]
    ahead: list[str]
    now: datetime

    @property
    def began(self) -> datetime:
        """Where its time line begins."""
        starts = [step.started_at for step in self.steps]
        return min([self.run.started_at or self.run.due_at, *starts])

    @property
    def until(self) -> datetime:
        """Where it ends: now, while it runs."""
        return max(self.run.ended_at or self.now, self.began)


def draw(trace: Trace) -> "Group":
    """The picture, for `output.print_drawn`."""
    from rich.console import Group
    from rich.text import Text

    parts: list[Any] = [_head(trace)]
    if trace.steps or trace.ahead:
        parts += [Text(), _lines(trace)]
    for block in (_whys(trace), _tries(trace), _children(trace), _next(trace)):
        if block:
            parts += [Text(), *block]
    return Group(*parts)


def _head(trace: Trace) -> Any:
    from rich.text import Text

    run = trace.run
    mark = _mark(run.state, run.outcome)
    head = Text()
    head.append(f"{mark} ", style=_MARKS[mark])
    head.append(printable(trace.name), style="bold")
    head.append(f"  run {run.id}  {stands(run)}")
    if run.started_at is not None:
        head.append(f"  {duration((trace.until - trace.began).total_seconds())}", style="dim")
    told = f"\n  {run.trigger}, due {short(run.due_at)} UTC"
    if run.started_at is not None:
        late = (run.started_at - run.due_at).total_seconds()
        told += f", begun {duration(late)} later" if late > 0 else ", begun at once"
    head.append(told + f", version {run.version}", style="dim")
    if run.parent_id is not None:
        head.append(f", from run {run.parent_id}", style="dim")
    if run.reason:
        head.append(f"\n  {printable(run.reason)}", style="red" if run.state == "dead" else "")
    return head


def _mark(state: str, outcome: str | None) -> str:
    if state == "dead":
        return "?" if outcome == "unknown" else "✗"
    if state != "done":
        return "…"
    return "✓" if outcome in ("succeeded", None) else "-"


def _lines(trace: Trace) -> Any:
    """One line a step: its mark, its name, its bar, how long it took, what came of it."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for name in ("mark", "step", "line", "took", "what"):
        table.add_column(name, no_wrap=name != "what", overflow="fold")
    length = (trace.until - trace.began).total_seconds()
    scale = Text(_scale(length), style="dim")
    table.add_row("", Text(), scale, Text(), Text())
    for step in trace.steps:
        mark = _mark(step.state, step.outcome)
        took = ((step.ended_at or trace.until) - step.started_at).total_seconds()
        depth = 0 if step.path == CONDITIONS else step.path.count(".") // 2
        table.add_row(
            Text(mark, style=_MARKS[mark]),
            Text("  " * depth + printable(step.name)),
            Text(_bar(trace, step), style=_MARKS[mark]),
            Text(duration(took) if took >= 0.001 else "", style="dim", justify="right"),
            Text(_what(trace, step)),
        )
    for name in trace.ahead:
        said = "to come" if trace.run.ended_at is None else "not reached"
        table.add_row(
            Text("○", style="dim"), Text(printable(name), style="dim"), Text(" " * WIDTH), Text(),
            Text(said, style="dim"),
        )  # fmt: skip
    return table


def _scale(seconds: float) -> str:
    end = duration(seconds)
    return f"0{'─' * (WIDTH - len(end) - 3)} {end}"


def _bar(trace: Trace, step: StepRow) -> str:
    """A step's time on the run's line; of a call to others each try, and the pauses between."""
    length = max((trace.until - trace.began).total_seconds(), 1e-6)
    cells = [" "] * WIDTH

    def fill(start: datetime, end: datetime, sign: str) -> None:
        first = (start - trace.began).total_seconds() / length * WIDTH
        last = (end - trace.began).total_seconds() / length * WIDTH
        at = min(max(int(first), 0), WIDTH - 1)
        for cell in range(at, max(at + 1, min(round(last), WIDTH))):
            cells[cell] = sign

    tries = trace.tries.get(step.path, [])
    end = step.ended_at or trace.until
    idle = step.action == "wait" or step.state == "pending"
    fill(step.started_at, end, _BETWEEN if tries else _WAITING if idle else _TRIED)
    for one in tries:
        fill(one.created_at, one.ended_at or end, _TRIED)
    return "".join(cells)


def _what(trace: Trace, step: StepRow) -> str:
    """What came of a step, in a few words."""
    if step.error:
        return _cut(step.error)
    if isinstance(step.output, dict) and "clauses" in step.output:
        return _verdict(step)
    if step.action == "wait":
        return _waited(trace, step)
    if step.state in ("pending", "running"):
        return _owed(trace, step)
    if isinstance(step.output, dict) and "status" in step.output and "body" in step.output:
        return f"{step.output['status']} {_cut(step.output['body'])}".rstrip()
    return "" if step.output is None else _cut(step.output)


def _verdict(step: StepRow) -> str:
    clauses = [one for one in step.output["clauses"] if isinstance(one, dict)]
    wrong = [one for one in clauses if not one.get("holds")]
    if "taken" in step.output:
        return f"takes `{step.output['taken']}`"
    if step.output.get("holds"):
        return "holds" if len(clauses) == 1 else f"hold, {len(clauses) - len(wrong)} of them"
    said = "does not hold" if step.path == CONDITIONS else "skipped: does not hold"
    return f"{said}: {_cut(wrong[0].get('expression', ''))}" if wrong else said


def _waited(trace: Trace, step: StepRow) -> str:
    told = step.input if isinstance(step.input, dict) else {}
    event, until = told.get("event"), told.get("until")
    if step.state == "done":
        if event is None:
            return ""
        is_late = isinstance(step.output, dict) and step.output.get("timed_out")
        return f"no {event} came in time" if is_late else f"a {event} came"
    said = f"for a {event}" if event else "waits"
    return printable(f"{said} until {str(until)[:19].replace('T', ' ')}" if until else said)


def _owed(trace: Trace, step: StepRow) -> str:
    tries = trace.tries.get(step.path, [])
    if not tries:
        return "owed, not tried yet"
    again = tries[-1].next_attempt_at
    return f"{len(tries)} tries" + (f", again at {short(again)} UTC" if again else "")


def _cut(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    line = printable(" ".join(text.split()))
    return line if len(line) <= _MOST else line[: _MOST - 1] + "…"


def _whys(trace: Trace) -> list[Any]:
    """Each expression that was asked, with the values it saw, where one of them did not hold."""
    from rich.text import Text

    found = []
    for step in trace.steps:
        told = step.output if isinstance(step.output, dict) else {}
        clauses = [one for one in told.get("clauses") or [] if isinstance(one, dict)]
        if all(one.get("holds") for one in clauses):
            continue
        said = "why not" if step.outcome != "succeeded" else "why"
        found.append(Text(f"{said}: {printable(step.name)}", style="bold"))
        found += [clause_line(one) for one in clauses]
    return found


def clause_line(clause: dict[str, Any], indent: str = "") -> Any:
    """An expression, whether it held, and below it the values it saw."""
    from rich.text import Text

    mark = "✓" if clause.get("holds") else "✗"
    line = Text(f"{indent}  {mark} ", style=_MARKS[mark])
    line.append(printable(str(clause.get("expression", ""))), style="default")
    for said in _seen(clause):
        line.append(f"\n{indent}      {said}", style="dim")
    return line


def _seen(clause: dict[str, Any]) -> Iterator[str]:
    seen = clause.get("seen")
    for path, value in (seen if isinstance(seen, dict) else {}).items():
        yield f"{printable(path)} = {_cut(orjson.dumps(value, default=str).decode())}"
    if clause.get("error"):
        yield printable(str(clause["error"]))


def _tries(trace: Trace) -> list[Any]:
    """The tries of calls that needed more than one, or did not get through."""
    from rich.text import Text

    found = []
    for step in trace.steps:
        tries = trace.tries.get(step.path, [])
        if len(tries) < 2 and step.state == "done":
            continue
        if tries:
            found.append(Text(f"tries: {printable(step.name)}", style="bold"))
        found += [Text(f"  {_try(one)}") for one in tries]
    return found


def _try(one: TryRow) -> str:
    said = [f"{one.attempt}.", f"{short(one.created_at)[11:]}", one.outcome or "under way"]
    if one.status is not None:
        said.append(str(one.status))
    if one.milliseconds is not None:
        said.append(f"in {duration(one.milliseconds / 1000)}")
    if one.said:
        said.append(_cut(one.said))
    return "  ".join(said)


def _children(trace: Trace) -> list[Any]:
    from rich.text import Text

    if not trace.children:
        return []
    found = [Text("runs it has added", style="bold")]
    for run in trace.children[:_MOST_CHILDREN]:
        mark = _mark(run.state, run.outcome)
        line = Text(f"  {mark} ", style=_MARKS[mark])
        why = f": {_cut(run.reason)}" if run.reason else ""
        line.append(f"{run.id}  {run.trigger}  {stands(run)}{why}", style="default")
        found.append(line)
    if len(trace.children) > _MOST_CHILDREN:
        found.append(Text("  … and more"))
    return found


def _next(trace: Trace) -> list[Any]:
    """What a person may do about it."""
    from rich.text import Text

    run = trace.run
    if run.state == "dead":
        return [Text(f"Take it up where it failed: hopfleet workflows replay {run.id}")]
    if run.state == "pending" and not run.ready and not run.queued and run.started_at is not None:
        return [Text(f"End it: hopfleet workflows cancel {run.id}", style="dim")]
    return []
