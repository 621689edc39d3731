"""The actors of workflows: a nudge makes them look for facts, runs, calls, and gathered events."""

from collections.abc import Callable

from dramatiq import Broker, Middleware, Worker

from base.clock import steady
from workers import controls
from workers.broker import actor
from workers.queues import Queue
from workers.stopping import stopping
from workers.workflows import gathering, matching, outside
from workers.workflows.calling import Calling
from workers.workflows.running import Runner

_SECONDS = 20.0  # then it makes room for others; the sweep brings it back

_runner = Runner()
calling = Calling()


@actor("workflows.run", queue=Queue.WORKFLOWS, time_limit_seconds=120)
def run() -> None:
    """Carry out runs until there are none that may be claimed."""
    _while_any(_work)


def _work() -> int:
    did = _runner.work()
    if outside.asked.is_set():
        outside.asked.clear()
        calling.wake()  # at once, in this process: the sweep would come within a second
    return did


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


@actor("calls.send", queue=Queue.WORKFLOWS, time_limit_seconds=10)
def send() -> None:
    """Have the thread that calls look for calls that are due."""
    calling.wake()


class Caller(Middleware):
    """Lets calls that are on their way end before the process does."""

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        calling.stop()
