"""How fast something fills, and how long until it is full."""

import math
from collections import deque

WINDOW_SECONDS = 60.0
LEAST_SECONDS = 0.5  # between the first and the last sample: less says nothing
# A server's memory goes up and down by buffers and bookkeeping while nothing is kept in it.
NOISE_BYTES = 256 * 1024


class Growth:
    """Samples of one size over the last minute."""

    def __init__(self, noise_bytes: int = NOISE_BYTES) -> None:
        self._noise = noise_bytes
        self._samples: deque[tuple[float, float]] = deque()

    def add(self, at: float, size: float) -> None:
        """A sample; `at` is steady time."""
        self._samples.append((at, size))
        # The one that is just older than the window stays, so that it is covered whole.
        while len(self._samples) > 2 and at - self._samples[1][0] >= WINDOW_SECONDS:
            self._samples.popleft()

    def per_second(self) -> float | None:
        """Bytes a second over the window; 0 when it does not grow, None before it is known."""
        if not self._samples:
            return None
        (began, first), (ended, last) = self._samples[0], self._samples[-1]
        if ended - began < LEAST_SECONDS:
            return None
        return (last - first) / (ended - began) if last - first > self._noise else 0.0


def seconds_left(used: float, bound: float, per_second: float) -> float:
    """Until `used` reaches `bound`; infinite when it does not grow."""
    if used >= bound:
        return 0.0
    return (bound - used) / per_second if per_second > 0 else math.inf
