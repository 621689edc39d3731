"""The children's logs: files of bounded size, followed for what a person should see.

Files, not pipes: children of an `up` that was killed keep serving and must be able to write.
"""

import contextlib
import os
import re
import shutil
from pathlib import Path

import orjson

from base import clock

_MOST_BYTES = 20 * 1024**2  # then the file moves to NAME.log.1; so one child keeps 40 MiB at most
_MOST_LINES = 10  # shown from one child in one interval; the rest is in the file
_INTERVAL_SECONDS = 10.0
_BAD_LEVELS = frozenset({"warning", "error", "critical"})
# What the stores write at this level is mostly about single statements, which we log ourselves.
_STORE_TROUBLE = re.compile(r"PANIC|No space left|[Oo]ut of memory|corrupt|MISCONF|Bad file format")
_OWN_KEYS = ("level", "event", "at", "process", "exception")


class LogFile:
    """One child's log; the child appends to it, we read on from where we were."""

    def __init__(self, name: str, path: Path, *, store: bool) -> None:
        self.name, self.path, self._store = name, path, store
        self._read = 0
        self._rest = b""
        self._shown = 0
        self._interval = 0.0

    def rotate(self) -> None:
        """Set the file of an earlier run aside and begin a new one."""
        with contextlib.suppress(FileNotFoundError):
            self.path.replace(self.path.with_suffix(".log.1"))
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        self._read, self._rest = 0, b""

    def worth_saying(self) -> list[str]:
        """New lines that a person should see, shortened; a flood is cut off and said."""
        found = [text for line in self._new_lines() if (text := self._trouble(line))]
        if clock.steady() - self._interval > _INTERVAL_SECONDS:
            self._interval, self._shown = clock.steady(), 0
        allowed = max(0, _MOST_LINES - self._shown)
        cut = found[allowed:] and self._shown <= _MOST_LINES
        self._shown += len(found)
        return [*found[:allowed], *([f"more of this is in {self.path}"] if cut else [])]

    def last_line(self) -> str:
        """The last thing the child said, for the sentence about its end."""
        with contextlib.suppress(OSError):
            lines = self.path.read_bytes()[-4000:].decode(errors="replace").split("\n")
            return next((_short(line) for line in reversed(lines) if line.strip()), "")
        return ""

    def _new_lines(self) -> list[bytes]:
        try:
            if self.path.stat().st_size <= self._read:
                return []
            with self.path.open("rb") as file:
                file.seek(self._read)
                data = file.read(_MOST_BYTES)
        except OSError:
            return []
        self._read += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._read >= _MOST_BYTES:
            self._bound()
        return lines

    def _bound(self) -> None:
        """Keep one old copy and empty the file, which the child goes on appending to."""
        with contextlib.suppress(OSError):  # a full disk is said elsewhere
            shutil.copyfile(self.path, self.path.with_suffix(".log.1"))
        os.truncate(self.path, 0)
        self._read, self._rest = 0, b""

    def _trouble(self, line: bytes) -> str:
        text = line.decode(errors="replace").strip()
        if self._store:
            return text if _STORE_TROUBLE.search(text) else ""
        try:
            fact = orjson.loads(line)
        except ValueError:
            # Not one of our facts: the last words of a crash, at the left margin.
            return _short(text) if line[:1].strip() and not text.startswith("Traceback") else ""
        bad = isinstance(fact, dict) and fact.get("level") in _BAD_LEVELS
        return _short(text) if bad else ""


def _short(text: str) -> str:
    """A log line for a person: `level event key=value …`, at most 300 characters."""
    try:
        fact = orjson.loads(text)
        details = " ".join(f"{key}={value}" for key, value in fact.items() if key not in _OWN_KEYS)
        text = f"{fact.get('level', '')} {fact.get('event', '')} {details}"
    except (ValueError, AttributeError):
        pass
    return text.strip()[:300]
