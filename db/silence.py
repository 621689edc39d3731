"""Sessions in which the server says nothing any more are hung up, so that nobody waits for ever.

A frozen server, or a middleman that has forgotten a connection, still answers the kernel's probes;
PostgreSQL's own timeouts bound what the server does, not what the client waits for.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from base.clock import sleep, steady
from base.logs import log

_LOOK_SECONDS = 0.25

_lock = threading.Lock()
_ends: dict[int, float] = {}  # our own descriptor of a session's socket → when it is hung up
_wake = threading.Event()
_thread: threading.Thread | None = None


@contextmanager
def bounded(descriptor: int, seconds: float) -> Iterator[None]:
    """Hang up this socket when the block takes longer; what waits for it then fails at once."""
    # A copy: the number of a socket that was closed may be somebody else's a moment later.
    own = os.dup(descriptor)
    with _lock:
        _ends[own] = steady() + seconds
        _watch()
    try:
        yield
    finally:
        with _lock:
            _ends.pop(own, None)
            os.close(own)


def _watch() -> None:
    global _thread
    if _thread is None or not _thread.is_alive():  # new, or lost in a fork
        _thread = threading.Thread(target=_run, name="silence", daemon=True)
        _thread.start()
    _wake.set()


def _run() -> None:
    while True:
        _wake.wait()
        with _lock:
            late = [own for own, end in _ends.items() if end < steady()]
            for own in late:
                del _ends[own]
                _hang_up(own)
            if not _ends:
                _wake.clear()
        if late:
            log().warning("database.silent", sessions=len(late))
        sleep(_LOOK_SECONDS)


def _hang_up(own: int) -> None:
    # Not the wire's own end only: a session over TLS must not say goodbye to who does not listen.
    with socket.socket(fileno=os.dup(own)) as session, suppress(OSError):
        session.shutdown(socket.SHUT_RDWR)
