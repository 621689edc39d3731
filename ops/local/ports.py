"""Ports: which are free, which one a server had last time."""

import errno
import os
import random
import socket
from pathlib import Path

import psutil

from base.errors import HopfleetError

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port of the loopback address that nobody listens on right now.

    Below the range that outgoing connections draw from: one of those could otherwise take the
    port of a server that is being restarted, or even be connected to itself.
    """
    while trouble(LOOPBACK, port := random.randrange(15_000, 32_000)):
        pass
    return port


def trouble(host: str, port: int) -> OSError | None:
    """What stands in the way of listening on `host`:`port`, or `None`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: connections of yesterday in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return error
    return None


def require_free(host: str, port: int, remedy: str) -> None:
    """Raise `HopfleetError` with one sentence when `host`:`port` cannot be listened on."""
    error = trouble(host, port) if port else None
    if error is None:
        return
    if error.errno == errno.EADDRINUSE:
        raise HopfleetError(f"Port {port} is taken{_by_whom(port)}: {remedy}.")
    if error.errno in (errno.EACCES, errno.EPERM):
        raise HopfleetError(f"Port {port} needs rights this user does not have: {remedy}.")
    raise HopfleetError(f"{host}:{port} cannot be listened on ({error.strerror}): {remedy}.")


def remembered(folder: Path, port: int, remedy: str) -> int:
    """The port for the server in `folder`: the wanted one, last time's, or a new one (0).

    Last time's is kept while it is free, so that addresses stay the same across starts.
    """
    file = folder / "port"
    if port:
        require_free(LOOPBACK, port, remedy)
    else:
        try:
            port = int(file.read_text())
        except (OSError, ValueError):
            port = 0
        if not port or trouble(LOOPBACK, port):
            port = free_port()
    file.write_text(str(port))
    return port


def _by_whom(port: int) -> str:
    """` by NAME (process 12)` when the system tells, else nothing."""
    try:
        for each in psutil.net_connections("tcp"):
            listens = each.status == psutil.CONN_LISTEN and each.laddr.port == port
            if listens and each.pid and each.pid != os.getpid():
                return f" by {psutil.Process(each.pid).name()} (process {each.pid})"
    except (psutil.Error, OSError):
        pass
    return ""
