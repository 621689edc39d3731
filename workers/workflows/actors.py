"""The actors of workflows: a nudge makes them look for runs."""

from base.clock import steady
from workers import controls
from workers.broker import actor
from workers.queues import Queue
from workers.stopping import stopping
from workers.workflows.running import Runner

_SECONDS = 20.0  # then it makes room for others; the sweep brings it back

_runner = Runner()


@actor("workflows.run", queue=Queue.WORKFLOWS, time_limit_seconds=120)
def run() -> None:
    """Carry out runs until there are none that may be claimed."""
    ends = steady() + _SECONDS
    while steady() < ends and not stopping() and controls.may_claim(Queue.WORKFLOWS):
        if not _runner.work():
            return
