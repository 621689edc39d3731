"""What `up` says: a line that moves on a terminal, plain lines elsewhere, nothing when quiet."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Timer

from rich.console import Console
from rich.markup import escape

from base import clock

ANNOUNCE_SECONDS = 3.0  # what takes longer is announced, so that nobody takes it for dead


class Screen:
    """Says things to the person who started `up`; a closed terminal never stops the fleet."""

    def __init__(self, *, quiet: bool = False) -> None:
        # `--json` keeps standard output for the one object that scripts read.
        self._console = Console(
            file=sys.stderr if quiet else sys.stdout, highlight=False, soft_wrap=True
        )

    def say(self, text: str) -> None:
        """One line."""
        self._print(escape(text))

    def warn(self, text: str) -> None:
        """One line that should be noticed."""
        self._print(f"[yellow]{escape(text)}[/yellow]")

    @contextmanager
    def step(self, doing: str) -> Iterator[None]:
        """Something that takes a while: a spinner on a terminal, a line with its time after it."""
        began = clock.steady()
        if self._console.is_terminal:
            with self._console.status(escape(doing)):
                yield
        else:
            with self._after(ANNOUNCE_SECONDS, f"{doing} …"):
                yield
        self._print(f"[green]✓[/green] {escape(doing)} ({clock.steady() - began:.1f} s)")

    @contextmanager
    def _after(self, seconds: float, text: str) -> Iterator[None]:
        """Say something only if the block takes longer than that."""
        late = Timer(seconds, self.say, [text])
        late.daemon = True
        late.start()
        try:
            yield
        finally:
            late.cancel()

    def _print(self, markup: str) -> None:
        with suppress(OSError, ValueError, UnicodeEncodeError):
            self._console.print(markup)
