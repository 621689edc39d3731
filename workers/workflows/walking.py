"""Walking: a run goes through its actions; what is finished stays finished.

Every walk begins at the first action and passes over those whose rows say that they are done, so
that a run is taken up by whomever and wherever, after any crash, behind the last of them.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Any, NoReturn

import orjson
import psycopg

from base.errors import HopfleetError, Permanent, Transient
from base.logs import log
from db import waits
from db.connection import Tx
from db.run_work import Run, StepRow, Turn
from rules import conditions, interpolation
from rules.conditions import Clause, Verdict
from rules.interpolation import Unrenderable
from schemas.actions import Step
from schemas.workflows import Definition
from workers.workflows import actions, outside
from workers.workflows.actions import Doing
from workers.workflows.halts import Failed, Waits
from workers.workflows.scope import Scope

_TRIES = 5
MOST_BYTES = 8 * 1024 * 1024  # of what steps take and give, in one run
_RETRY_SECONDS = (1.0, 5.0, 30.0, 120.0)
_CONDITIONS = "0"


class Walk:
    """One run's way through its definition, as far as it gets in this transaction."""

    def __init__(
        self, tx: Tx, run: Run, definition: Definition, done: dict[str, StepRow], scope: Scope
    ) -> None:
        self.tx = tx
        self.run = run
        self.definition = definition
        self.scope = scope
        self.changed: dict[str, StepRow] = {}
        self.at: tuple[str, Step] | None = None  # where it is, for whoever must say what broke
        self._done = done
        self._settings = definition.trigger.settings
        self._spent = 0
        self._bytes = sum(_size(row) for row in done.values())
        self._again = run.outcome == "failed"  # it was replayed: what failed is tried anew

    def go(self) -> Turn:
        """Walk as far as possible; what came of it. Database errors pass through."""
        if self.run.cancel:
            waits.forget(self.tx, self.run.id)
            return Turn(self.run.id, "done", "cancelled", "somebody cancelled it")
        try:
            if (unmet := self._unmet()) is not None:
                return Turn(self.run.id, "done", "not_met", unmet)
            self._steps(self.definition.actions, "")
        except Waits as waiting:
            return self._waiting(waiting)
        except Failed as failure:
            return self._failed(failure)
        return Turn(self.run.id, "done", "succeeded")

    def _waiting(self, waiting: Waits) -> Turn:
        return Turn(self.run.id, "pending", ready=waiting.ready, wakes_at=waiting.until)

    def _failed(self, failure: Failed) -> Turn:
        try:
            self._steps(self.definition.on_error, "on_error.")
        except Waits as waiting:
            return self._waiting(waiting)
        except Failed as another:
            log().info("workflow.on_error_failed", run=self.run.id, reason=str(another))
        waits.forget(self.tx, self.run.id)  # its time may be up while it waits
        reason = "outcome_unknown" if failure.outcome == "unknown" else str(failure)
        return Turn(self.run.id, "dead", "failed", reason, str(failure))

    def _unmet(self) -> str | None:
        """Which condition does not hold; they are looked at once in a run's life."""
        wanted = self.definition.conditions
        if not wanted or _CONDITIONS in self._done:
            return None
        verdict = self._judge(wanted)
        self._keep(
            _CONDITIONS, "conditions", "conditions", "succeeded" if verdict.holds else "not_met",
            output=_told(verdict),
        )  # fmt: skip
        if verdict.holds:
            return None
        return next(
            (_because(one) for one in verdict.clauses if not one.holds),
            "its conditions do not hold",
        )

    def _judge(self, wanted: Any) -> Verdict:
        compiled = conditions.compiled(wanted)
        return compiled.judge(self.scope.compared(compiled.names))

    def _steps(self, steps: Any, prefix: str) -> None:
        for number, step in enumerate(steps, 1):
            self._step(step, f"{prefix}{number}")

    def _step(self, step: Step, path: str) -> None:
        self._spend(path, step)
        name = step.name or f"{path}_{step.action}"
        row = self._done.get(path)
        if row is not None and row.outcome == "skipped":
            return
        if row is None and step.if_:
            verdict = self._judge(step.if_)
            if not verdict.holds:
                self._keep(path, name, step.action, "skipped", output=_told(verdict))
                return
        self.at = path, step
        try:
            self._act(step, path, name, row)
        except Failed as failure:
            if failure.path != path or step.on_error == "fail":
                raise
            self.scope.steps[name] = {"error": str(failure)}
            if step.on_error != "continue":
                self._steps(step.on_error, f"{path}.on_error.")

    def _spend(self, path: str, step: Step) -> None:
        self._spent += 1
        if self._spent > self._settings.most_steps:
            raise Failed("", "budget", f"more than {self._settings.most_steps} steps")
        if self._bytes > MOST_BYTES:
            raise Failed("", "budget", f"its steps take and give more than {MOST_BYTES >> 20} MB")
        life = (self.scope.now - self.run.started_at).total_seconds()
        if life > self._settings.most_seconds:
            raise Failed("", "budget", f"it took more than {self._settings.most_seconds:g} s")

    def _act(self, step: Step, path: str, name: str, row: StepRow | None) -> None:
        if row is not None and row.state == "dead":
            if not (self._again and step.on_error == "fail"):
                raise Failed(path, name, row.error or "it failed", row.outcome or "failed")
            row = row._replace(state="pending")
        if row is not None and row.state == "done":
            self.scope.steps[name] = row.output
        if step.action == "branch":
            self._branch(step, path, name, row)
        elif step.action == "for_each":
            self._for_each(step, path, name, row)
        elif row is not None and row.state == "done":
            return
        elif step.action == "wait":
            self._wait(step, path, name, row)
        elif step.action in outside.ACTIONS:
            self._call(step, path, name, row)
        else:
            self._do(step, path, name, row)

    def _branch(self, step: Step, path: str, name: str, row: StepRow | None) -> None:
        if row is None or row.state != "done":
            verdict = self._judge(step.args.if_)
            output = {**_told(verdict), "taken": "then" if verdict.holds else "else"}
            self._keep(path, name, step.action, "succeeded", output=output, row=row)
            self.scope.steps[name] = output
        else:
            output = row.output
        taken = step.args.then if output["taken"] == "then" else step.args.else_
        self._steps(taken, f"{path}.{output['taken']}.")

    def _for_each(self, step: Step, path: str, name: str, row: StepRow | None) -> None:
        if row is None or row.state != "done":
            items = self._render(path, name, step.args.items)
            if not isinstance(items, list):
                self._give_up(path, name, step, "its items are no list", row)
            if len(items) > step.args.max:
                self._give_up(
                    path, name, step, f"{len(items)} items are more than {step.args.max}", row
                )
            self._keep(path, name, step.action, "succeeded", output={"items": items}, row=row)
        else:
            items = row.output["items"]
        before = self.scope.locals
        for number, item in enumerate(items, 1):
            self.scope.locals = {**before, step.args.as_: item, "item": item}
            self._steps(step.args.do, f"{path}.for.{number}.")
        self.scope.locals = before

    def _wait(self, step: Step, path: str, name: str, row: StepRow | None) -> None:
        if row is None or row.state != "running":
            until = self._until(step, path, name)
            kept = {"until": until and until.isoformat(), "event": step.args.event}
            if step.args.event is not None:
                try:
                    where = [self._literal(one) for one in step.args.where]
                    conditions.compiled(where)
                except (Unrenderable, conditions.Unreadable) as error:  # what was filled in
                    self._give_up(path, name, step, str(error), row)
                waits.put(self.tx, self.run.id, path, self.run.user_id, step.args.event, where)
            self._keep(path, name, step.action, None, input=kept, row=row, state="running")
            raise Waits(until)
        moment = row.input.get("until")
        until = datetime.fromisoformat(moment) if moment else None
        if until is None or until > self.scope.now:
            raise Waits(until)
        if step.args.event is not None and not waits.forget(self.tx, self.run.id):
            # The event came in this very moment: whoever brought it has written the step.
            raise Waits(self.scope.now, ready=True)
        output = {"timed_out": True} if step.args.event is not None else {}
        self._keep(path, name, step.action, "succeeded", input=row.input, output=output, row=row)
        self.scope.steps[name] = output

    def _until(self, step: Step, path: str, name: str) -> datetime | None:
        args = step.args
        if args.until is not None:
            text = str(self._render(path, name, args.until))
            try:
                found = datetime.fromisoformat(text)
            except ValueError:
                self._give_up(path, name, step, f"`{text[:100]}` is no time", None)
            if found.tzinfo is None:
                self._give_up(path, name, step, f"`{text[:100]}` has no time zone", None)
            return found
        seconds = args.timeout_seconds if args.event is not None else args.total_seconds
        try:
            return self.scope.now + timedelta(seconds=seconds)
        except OverflowError:
            self._give_up(path, name, step, "it would end after the year 9999", None)

    def _call(self, step: Step, path: str, name: str, row: StepRow | None) -> None:
        if row is not None and row.state == "running":
            raise Waits(None)
        key = row.key if row is not None else self._key(path)
        try:
            shown = outside.owe(self.tx, self.run, step, path, key, self.scope)
        except (Unrenderable, Permanent) as error:
            self._give_up(path, name, step, str(error), row)
        if shown is None:
            raise Waits(self.scope.now + timedelta(seconds=1))
        self._keep(path, name, step.action, None, input=shown, row=row, state="running")
        raise Waits(None)

    def _do(self, step: Step, path: str, name: str, row: StepRow | None) -> None:
        args = step.args.model_dump(by_alias=True, exclude_none=True)
        try:
            values = self.scope.values(interpolation.names(args))
            shown = interpolation.render(args, self.scope.hidden(values))
            output = actions.do(Doing(self.tx, self.run, path, self.scope), step.action, shown)
        except (Unrenderable, Permanent) as error:
            self._give_up(path, name, step, str(error), row)
        except Transient as error:
            self._again_later(step, path, name, row, str(error))
        self._keep(path, name, step.action, "succeeded", input=shown, output=output, row=row)
        self.scope.steps[name] = output

    def _again_later(
        self, step: Step, path: str, name: str, row: StepRow | None, error: str
    ) -> None:
        attempt = row.attempt if row is not None else 1
        most = step.retry.attempts if step.retry is not None else _TRIES
        if attempt >= most:
            self._give_up(path, name, step, error, row)
        seconds = _RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS)) - 1]
        if step.retry is not None and step.retry.seconds is not None:
            seconds = step.retry.seconds
        self._keep(path, name, step.action, None, row=row, state="pending", error=error)
        raise Waits(self.scope.now + timedelta(seconds=seconds))

    def _literal(self, expression: str) -> str:
        values = self.scope.values(interpolation.names(expression))
        return interpolation.render_expression(expression, self.scope.hidden(values))

    def _render(self, path: str, name: str, value: Any) -> Any:
        values = self.scope.values(interpolation.names(value))
        try:
            return interpolation.render(value, self.scope.hidden(values))
        except Unrenderable as error:
            raise Failed(path, name, str(error)) from None

    def _give_up(
        self, path: str, name: str, step: Step, error: str, row: StepRow | None
    ) -> NoReturn:
        self._keep(path, name, step.action, "failed", row=row, state="dead", error=error)
        raise Failed(path, name, error)

    def broke(self, error: psycopg.Error | HopfleetError | Exception) -> StepRow | None:
        """The row of the step that an error outside of the walk's rules came from."""
        if self.at is None:
            return None
        path, step = self.at
        row = self._done.get(path)
        said = getattr(getattr(error, "diag", None), "message_primary", None)
        self.changed.clear()
        self._keep(
            path, step.name or f"{path}_{step.action}", step.action, "failed", row=row,
            state="dead", error=said or type(error).__name__,
        )  # fmt: skip
        return self.changed[path]

    def _key(self, path: str) -> str:
        seed = f"{self.run.workflow_id}:{self.run.id}:{path}"
        return hashlib.sha256(seed.encode()).hexdigest()[:32]

    def _keep(
        self,
        path: str,
        name: str,
        action: str,
        outcome: str | None,
        *,
        input: Any = None,
        output: Any = None,
        row: StepRow | None = None,
        state: str = "done",
        error: str | None = None,
    ) -> None:
        # A step that waited goes on; one that is begun anew is another attempt.
        attempt = 1 if row is None else row.attempt + (row.state != "running")
        key = row.key if row is not None else self._key(path)
        kept = StepRow(
            self.run.id, path, name[:255], action, state, outcome, attempt, key, input, output,
            error and error[:2000],
        )  # fmt: skip
        self._bytes += _size(kept)
        self._done[path] = kept
        self.changed[path] = kept


def _size(row: StepRow) -> int:
    if not row.input and not row.output:
        return 0
    return len(orjson.dumps((row.input, row.output), default=str))


def _because(clause: Clause) -> str:
    return f"{clause.expression}: {clause.error or 'does not hold'}"


def _told(verdict: Verdict) -> dict[str, Any]:
    return {"holds": verdict.holds, "clauses": [one._asdict() for one in verdict.clauses]}
