"""Health: a workflow that keeps failing is paused and its owner told, once until it recovers."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from base.logs import log
from db import workflow_health
from db.connection import Tx
from db.workflow_health import Definition, Health
from workers.notices import plain, tell

PAUSE_AFTER_FAILURES = 10  # unless the definition's settings say otherwise
MOST_REASON = 500

Ended = tuple[UUID, int, bool, str | None]  # workflow, run, whether it failed, and why

_PAUSED = """The workflow "{name}" has failed {failures} times in a row. It is paused now and will \
not run by itself.

The last failure, in run {run}:
{reason}

What to do next:
1. See what each step did:      hopfleet workflows trace {run}
2. Correct the workflow, or what it depends on.
3. Let it run again:            hopfleet workflows enable {workflow}
4. Take up the failed run:      hopfleet workflows replay {run}

You will get no other mail about its failures until a run has succeeded.
"""
_RECOVERED = """The workflow "{name}" works again: run {run} has succeeded.

Runs that failed meanwhile are kept: hopfleet workflows runs {workflow}
"""


def ended(tx: Tx, ended: Iterable[Ended]) -> None:
    """Count what became of runs that succeed or fail in this transaction, in their order.

    Runs that were skipped, missed or cancelled say nothing about a workflow. One statement when
    nothing fails and nobody was told. Locks workflows, then their states, each by id.
    """
    by_workflow: dict[UUID, list[Ended]] = {}
    for one in ended:
        by_workflow.setdefault(one[0], []).append(one)
    if not by_workflow:
        return
    failing = sorted(key for key, runs in by_workflow.items() if any(run[2] for run in runs))
    definitions = workflow_health.hold(tx, failing) if failing else {}
    found = workflow_health.of(tx, sorted(by_workflow), failing)
    for key, before in found.items():
        _count(tx, definitions.get(key), before, by_workflow[key])


def _count(tx: Tx, definition: Definition | None, before: Health, runs: list[Ended]) -> None:
    key, last, _, reason = runs[-1]
    failures, told = before.failures, before.told_at is not None
    for _, run, failed, _ in runs:
        failures = failures + 1 if failed else 0
        if told and not failed:
            told = False
            _tell_recovered(tx, before, key, run)
    if definition is not None and _pauses(definition, failures):
        why = plain(reason or "no reason was kept")[:MOST_REASON]
        _pause(tx, key, failures, last, why)
        if not told:
            _tell_paused(tx, before, key, failures, last, why)
        told = True
    workflow_health.count(tx, key, failures, told=told)


def _pauses(definition: Definition, failures: int) -> bool:
    most = pause_after(definition.trigger_config)
    return definition.status == "active" and 0 < most <= failures


def _pause(tx: Tx, key: UUID, failures: int, run: int, why: str) -> None:
    problem = f"Paused after {failures} failed runs in a row; the last was run {run}: {why}"
    workflow_health.pause(tx, key, problem)
    log().warning("workflow.paused", workflow=str(key), failures=failures, run=run)


def _tell_paused(tx: Tx, of: Health, key: UUID, failures: int, run: int, why: str) -> None:
    name = plain(of.name)
    text = _PAUSED.format(name=name, failures=failures, run=run, reason=why, workflow=key)
    subject = f'Workflow "{name}" is paused: {failures} runs in a row have failed'
    tell(tx, of.user_id, "workflow_paused", f"{key}:{run}", subject, text)


def _tell_recovered(tx: Tx, of: Health, key: UUID, run: int) -> None:
    name = plain(of.name)
    text = _RECOVERED.format(name=name, run=run, workflow=key)
    subject = f'Workflow "{name}" works again'
    tell(tx, of.user_id, "workflow_recovered", f"{key}:{run}", subject, text)


def pause_after(trigger_config: Any) -> int:
    """After how many failed runs in a row a workflow is paused, 0 for never; may be odd by SQL."""
    chosen = trigger_config.get("settings") if isinstance(trigger_config, dict) else None
    number = chosen.get("pause_after_failures") if isinstance(chosen, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        return PAUSE_AFTER_FAILURES
    return number
