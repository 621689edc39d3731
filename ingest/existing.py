"""Which keys there may be at all, so that a flood of made-up ones costs arithmetic, not queries.

A Bloom filter over all keys of a table, some 16 bits each: what is not in it does not exist, of
what is in it one in two hundred does not exist either. Half a microsecond a look.
"""

from collections.abc import Iterable

FIRST_ROOM = 1 << 17  # keys; 256 kB
_BITS_A_KEY = 16
_LOOKS = 3


class Existing:
    """Filled page by page by the keeper's thread, asked by the doors; bits are only ever set."""

    def __init__(self, room: int = FIRST_ROOM) -> None:
        self._room = room
        self.restart()

    def restart(self) -> None:
        """Begin anew, at the first key; until it is complete everything may exist."""
        # One name for all that a look needs: the doors look while the keeper changes it.
        self._asked: tuple[bytearray, int] | None = None
        self.after = ""  # the last key that was read
        self._count = 0
        self._mask = self._room * _BITS_A_KEY - 1
        self._bits = bytearray(self._room * _BITS_A_KEY // 8)

    @property
    def complete(self) -> bool:
        """Whether all keys are in it, so that a no is certain."""
        return self._asked is not None

    def read(self, page: list[str], most: int) -> None:
        """The next page of the table, by key; one shorter than `most` is the last."""
        self.add(page)
        if self._count > self._room:
            self._room *= 4
            self.restart()
        elif len(page) < most:
            self._asked = self._bits, self._mask
        else:
            self.after = page[-1]

    def add(self, keys: Iterable[str]) -> None:
        """Keys that exist now, or did."""
        bits, mask = self._bits, self._mask
        for key in keys:
            self._count += 1
            number = hash(key)  # of a secret of this process: nobody can aim at it
            step = number >> 32 | 1
            for _ in range(_LOOKS):
                at = number & mask
                bits[at >> 3] |= 1 << (at & 7)
                number += step
        if self._count > 2 * self._room:  # too many changes came: it would say yes too often
            self.restart()

    def __contains__(self, key: str) -> bool:
        if self._asked is None:
            return True
        bits, mask = self._asked
        number = hash(key)
        step = number >> 32 | 1
        for _ in range(_LOOKS):
            at = number & mask
            if not bits[at >> 3] & 1 << (at & 7):
                return False
            number += step
        return True
