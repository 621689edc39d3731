"""What somebody wants to find, read from what they typed."""

from typing import NamedTuple


class Wanted(NamedTuple):
    """All `words` and `phrases`, none of the `excluded`; `beginning` begins a word.

    Each is a text of its own: PostgreSQL makes words of it. `beginning` is the last word when it
    may be unfinished, and is then not among `words`.
    """

    words: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    beginning: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for; exclusions alone ask for all else."""
        return not (self.words or self.phrases or self.excluded or self.beginning)
