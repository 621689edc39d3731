"""What a broker can say of a queue, whatever its kind; how many nudges are enough hangs on it."""

from typing import NamedTuple

from dramatiq.errors import ConnectionClosed


class Attendance(NamedTuple):
    """How many nudges wait in a queue, and how many worker processes look at it."""

    waiting: int
    workers: int


class BrokerAway(ConnectionClosed):
    """The broker did not answer, or refuses us; dramatiq takes it for one of its own."""

    def __init__(self, says: str) -> None:
        super().__init__(says)  # type: ignore[no-untyped-call]
