"""What goes over a wire, understood just enough to know which reply answers what.

Each watch sits on one connection, is shown all bytes of both directions, and says when the bytes
from the server hold the reply that somebody wants lost.
"""

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Any

import hiredis

from journal.streams import ACKNOWLEDGE

# Whether the reply to this command is the one to lose: a Redis command word by word, or the tags
# of a PostgreSQL transaction so far ("BEGIN", "INSERT 0 5", "COPY 40", "COMMIT").
Wanted = Callable[[list[bytes]], bool]

_SSL, _GSS = 80877103, 80877104


def append(command: list[bytes]) -> bool:
    """A door's append: its MULTI ends with this."""
    return command == [b"EXEC"]


def acknowledge(command: list[bytes]) -> bool:
    """A worker's XACK and XDEL, which are one script."""
    return command[:2] == [b"EVALSHA", hashlib.sha1(ACKNOWLEDGE.encode()).hexdigest().encode()]  # noqa: S324


def claim(command: list[bytes]) -> bool:
    """A worker's claim of what is new."""
    return command[:1] == [b"XREADGROUP"] and command[-1] == b">"


def enqueue(command: list[bytes]) -> bool:
    """A nudge on its way into the broker: dramatiq's one script with this as its first word."""
    return command[:1] == [b"EVALSHA"] and b"enqueue" in command[4:5]


def fetch(command: list[bytes]) -> bool:
    """A worker's question for nudges."""
    return command[:1] == [b"EVALSHA"] and b"fetch" in command[4:5]


def commit(tags: list[bytes]) -> bool:
    """Any commit."""
    return tags[-1:] == [b"COMMIT"]


def commit_of_rows(tags: list[bytes]) -> bool:
    """The commit of a transaction that wrote events."""
    return commit(tags) and any(tag.startswith(b"COPY") for tag in tags)


class RedisWatch:
    """Commands one way, as many replies the other way, in the same order."""

    def __init__(self) -> None:
        self._asked = hiredis.Reader()
        self._answered = hiredis.Reader()
        self._lost: deque[bool] = deque()

    def sent(self, data: bytes, wanted: Wanted | None) -> None:
        """Bytes from the client; remembers for each command whether its reply is to be lost."""
        self._asked.feed(data)
        while (command := self._asked.gets()) is not False:
            self._lost.append(wanted is not None and wanted(_words(command)))

    def came(self, data: bytes, wanted: Wanted | None) -> bool:
        """Bytes from the server; whether the reply is among them."""
        self._answered.feed(data)
        lost = False
        while self._answered.gets() is not False:
            lost |= bool(self._lost) and self._lost.popleft()
        return lost


def _words(command: Any) -> list[bytes]:
    return [bytes(word) for word in command] if isinstance(command, list) else []


class PostgresWatch:
    """Reads the tags by which a server says what it has done."""

    def __init__(self) -> None:
        self._questions = b""
        self._bare = 0  # answers of one byte that are owed: to the questions about encryption
        self._started = False
        self._data = b""
        self._tags: list[bytes] = []

    def sent(self, data: bytes, wanted: Wanted | None) -> None:
        """Bytes from the client; only what stands before the session matters."""
        if self._started:
            return
        self._questions += data
        while len(self._questions) >= 8 and not self._started:
            length = int.from_bytes(self._questions[:4])
            if int.from_bytes(self._questions[4:8]) in (_SSL, _GSS):
                self._bare += 1
                self._questions = self._questions[length:]
            else:
                self._started = True

    def came(self, data: bytes, wanted: Wanted | None) -> bool:
        """Bytes from the server; whether the reply is among them."""
        bare = min(self._bare, len(data))
        self._bare -= bare
        self._data += data[bare:]
        lost = False
        while len(self._data) >= 5:
            end = 1 + int.from_bytes(self._data[1:5])
            if len(self._data) < end:
                break
            if self._data[:1] == b"C":
                lost |= self._done(self._data[5:end].rstrip(b"\0"), wanted)
            self._data = self._data[end:]
        return lost

    def _done(self, tag: bytes, wanted: Wanted | None) -> bool:
        if tag == b"BEGIN":
            self._tags.clear()
        self._tags.append(tag)
        return wanted is not None and wanted(self._tags)
