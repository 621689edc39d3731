"""What commands print: one JSON object for scripts, a table or a sentence for people."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import orjson
import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")]
After = Annotated[
    str | None, typer.Option(help="Go on after the cursor that the page before ended with.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def say(text: str) -> None:
    """A line for people."""
    typer.echo(text)


def note(text: str) -> None:
    """A line for people beside what is printed, on standard error."""
    typer.echo(text, err=True)


def print_json(value: Any) -> None:
    """One line of JSON: money as decimal strings, times ISO 8601 in UTC, ids as text."""
    typer.echo(dumps(value))


def dumps(value: Any) -> bytes:
    """A value as JSON; see `print_json`."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("utf-8", "replace")
    raise TypeError(f"cannot print {type(value).__name__}")


def print_bytes(value: bytes) -> None:
    """Bytes as they are, for a file or a pipe."""
    typer.echo(value, nl=False)


def iso(moment: datetime) -> str:
    """A time as ISO 8601 in UTC, with `Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def short(value: Any) -> str:
    """A value as a cell of a table."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list | tuple):
        return ", ".join(map(short, value))
    return printable(str(value))


def printable(text: str) -> str:
    """A text of somebody else's without what moves the cursor, colours, or turns its writing."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Rows under their columns; wide as the terminal, never cut where nobody looks."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(short(cell)) for cell in row))
    print_drawn(table)


def print_drawn(drawn: Any) -> None:
    """What Rich can draw, a table or a tree."""
    # Rich costs a tenth of a second; commands for scripts do without.
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 10_000  # a pipe has no width: `grep` should find whole lines
    console.print(drawn)


def print_fields(fields: dict[str, Any]) -> None:
    """Names and values, one a line; what is empty is left out."""
    filled = {name: short(value) for name, value in fields.items() if value not in (None, "", {})}
    width = max(map(len, filled), default=0)
    for name, value in filled.items():
        say(f"{name:<{width}}  {value}")


def print_page(
    json: bool, items: Sequence[Any], next_: str | None, columns: Sequence[str], none: str
) -> None:
    """A page of a list: `{"items": […], "next": cursor or null}`, or a table and how to go on.

    `items` are named tuples, `columns` those of their fields that people are shown.
    """
    if json:
        print_json({"items": [item._asdict() for item in items], "next": next_})
        return
    if not items:
        note(none)
        return
    print_table(columns, ([getattr(item, name) for name in columns] for item in items))
    if next_ is not None:
        note(f"There are more: add --after '{next_}'")


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; leaves with exit code 1 unless agreed."""
    if not yes:
        typer.confirm(question, abort=True, err=True)
