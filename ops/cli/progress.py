"""A progress bar on standard error while something takes long; nothing where nobody looks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Bar:
    """What a long step tells: `advance` by so many, `to` so many in all."""

    def __init__(self, progress: Any, task: Any) -> None:
        self._progress, self._task = progress, task

    def advance(self, count: int) -> None:
        """So many more are done."""
        self._progress.advance(self._task, count)

    def to(self, count: int, note: str = "") -> None:
        """So many are done in all; `note` stands behind the bar."""
        self._progress.update(self._task, completed=count, note=note)


@contextmanager
def bar(doing: str, total: int | None, unit: str) -> Iterator[Bar]:
    """A bar up to `total`; of unknown length when None. `unit` "bytes" is shown as KB, MB, …"""
    # Rich costs a tenth of a second; most commands draw nothing.
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    done = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    columns = (TextColumn(escape(doing)), BarColumn(), done, TextColumn("{task.fields[note]}"))
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        yield Bar(progress, progress.add_task(doing, total=total, note=""))
