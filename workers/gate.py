"""The gate before every actor: shut while its queue is paused, and as wide as operators say.

Whoever finds it shut goes away without a word: what waits is in a record, and the sweep or the
end of the pause sends another nudge.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec

from workers import controls
from workers.queues import Queue

P = ParamSpec("P")

_lock = threading.Lock()
_inside: Counter[str] = Counter()


def gated(name: str, queue: Queue, run: Callable[P, None]) -> Callable[P, None]:
    """An actor's function behind the gate; `name` is what its runs are counted under."""

    @wraps(run)
    def through(*args: P.args, **kwargs: P.kwargs) -> None:
        with _entered(name, queue) as entered:
            if entered:
                run(*args, **kwargs)

    return through


@contextmanager
def _entered(name: str, queue: Queue) -> Iterator[bool]:
    with _lock:
        most = controls.threads(queue)
        entered = controls.may_claim(queue) and (most is None or _inside[name] < most)
        _inside[name] += entered
    try:
        yield entered
    finally:
        if entered:
            with _lock:
                _inside[name] -= 1
