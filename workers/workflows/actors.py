"""The actors of workflows: a nudge makes them look for facts, for runs, for what was gathered."""

from collections.abc import Callable

from base.clock import steady
from workers import controls
from workers.broker import actor
from workers.queues import Queue
from workers.stopping import stopping
from workers.workflows import gathering, matching
from workers.workflows.running import Runner

_SECONDS = 20.0  # then it makes room for others; the sweep brings it back

_runner = Runner()


@actor("workflows.run", queue=Queue.WORKFLOWS, time_limit_seconds=120)
def run() -> None:
    """Carry out runs until there are none that may be claimed."""
    _while_any(_runner.work)


@actor("workflows.match", queue=Queue.WORKFLOWS, time_limit_seconds=120)
def match() -> None:
    """Hold what happened against the workflows that listen."""
    _while_any(matching.step)


@actor("workflows.gather", queue=Queue.WORKFLOWS, time_limit_seconds=120)
def gather() -> None:
    """Fire what was gathered and whose time has come."""
    _while_any(gathering.step)


def _while_any(step: Callable[[], int | bool]) -> None:
    ends = steady() + _SECONDS
    while steady() < ends and not stopping() and controls.may_claim(Queue.WORKFLOWS):
        if not step():
            return
