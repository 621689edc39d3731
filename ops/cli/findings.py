"""What `doctor` finds: a sentence each, and whether it is well, to be noticed, or broken."""

from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """How a thing is."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


SIGNS = {Status.OK: "✓", Status.WARNING: "!", Status.BROKEN: "✗"}


class Finding(NamedTuple):
    """One thing that was looked at; `says` is a sentence, with what to do unless it is well."""

    check: str
    status: Status
    says: str


def well(check: str, says: str) -> Finding:
    """As it should be."""
    return Finding(check, Status.OK, says)


def warning(check: str, says: str) -> Finding:
    """Works, but somebody should know."""
    return Finding(check, Status.WARNING, says)


def broken(check: str, says: str) -> Finding:
    """Does not work, or loses something."""
    return Finding(check, Status.BROKEN, says)
