"""Halts: why a run goes no further, for now or for good."""

from datetime import datetime


class Waits(Exception):
    """The run can go no further now; `until` None: until somebody tells it."""

    def __init__(self, until: datetime | None, ready: bool = False) -> None:
        self.until = until
        self.ready = ready


class Failed(Exception):
    """A step failed for good."""

    def __init__(self, path: str, name: str, error: str, outcome: str = "failed") -> None:
        super().__init__(f"{name}: {error}")
        self.path = path
        self.outcome = outcome
