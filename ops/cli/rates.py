"""`hopfleet rates`: what other currencies were worth in dollars, day by day."""

import io
import zipfile
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from base.errors import Misused, Refused
from db import rates
from ops.cli import output
from ops.cli.database import transaction
from ops.cli.progress import Bar, bar
from rules import euro_rates

MOST_BYTES = 256 * 1024 * 1024  # unpacked; twenty-eight years are 2 MB

app = typer.Typer()


@app.callback()
def _rates() -> None:
    """The currencies' rates; makes `import` a verb, although it is the only one."""


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(help="eurofxref-hist.zip, .csv or .xml of the European Central Bank."),
    ],
    json: output.Json = False,
) -> None:
    """Take in the European Central Bank's file; days that are there already are replaced."""
    try:
        days = list(euro_rates.days(_text(file)))
    except Refused as refusal:
        raise Misused(f"{file}: {refusal}") from None
    if not days:
        raise Misused(f"{file} holds no day.")
    currencies: set[str] = set()
    skipped: list[date] = []

    def news(shown: Bar) -> Iterator[tuple[str, date, Decimal]]:
        for day, of_euro in days:
            dollars = euro_rates.dollars(of_euro)
            if not dollars:
                skipped.append(day)
            currencies.update(dollars)
            yield from ((code, day, worth) for code, worth in dollars.items())
            shown.advance(1)

    with bar("importing", len(days), "days") as shown, transaction() as tx:
        counted = rates.put(tx, news(shown))
    _say(len(days) - len(skipped), len(currencies), counted, skipped, json)


def _say(days: int, currencies: int, counted: int, skipped: list[date], json: bool) -> None:
    if skipped:
        output.note(
            f"{len(skipped)} days without a dollar rate were passed over, the first of them"
            f" {min(skipped)}."
        )
    if json:
        said = {"days": days, "currencies": currencies, "rates": counted}
        output.print_json(said | {"skipped_days": len(skipped)})
    else:
        output.say(f"{counted:,} rates of {currencies} currencies on {days:,} days.")


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            raw = opened.read(MOST_BYTES + 1)
        if raw[:4] == b"PK\x03\x04":
            raw = _unpacked(raw)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise Misused(f"{file} cannot be read: {error}.") from None
    if len(raw) > MOST_BYTES:
        raise Misused(f"{file} is larger than any file of the European Central Bank.")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Misused(f"{file} is no text: take the ECB's zip, csv or xml.") from None


def _unpacked(raw: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(raw)) as packed:
        names = [name for name in packed.namelist() if name.lower().endswith((".csv", ".xml"))]
        if len(names) != 1:
            raise zipfile.BadZipFile("it must hold one csv or xml file")
        with packed.open(names[0]) as inside:
            return inside.read(MOST_BYTES + 1)
