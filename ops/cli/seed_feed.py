"""`hopfleet seed feed`: a marketplace feed to try and measure the catalogue with."""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from base.clock import now
from base.errors import Misused
from ops.cli import feed_making, output
from ops.cli.feed_making import Feed
from ops.cli.progress import bar

_XML, _DTD = "marketplace_feed_v2.xml", "marketplace_feed_v2.dtd"
_LISTINGS_EACH = 2.9  # of a product, on average: for the bar


def feed(
    products: Annotated[int, typer.Option(min=1, max=10_000_000)] = 10_000,
    file: Annotated[
        Path, typer.Option(metavar="FILE", help="A zip, as ClickBank's; or XML, if it ends so.")
    ] = Path("feed.zip"),
    seed: Annotated[int, typer.Option(help="The same seed makes the same products.")] = 1,
    changed: Annotated[
        float,
        typer.Option(
            min=0, max=100, metavar="PERCENT", help="Of so many, other gravity and commission."
        ),
    ] = 0.0,
    json: output.Json = False,
) -> None:
    """Write a marketplace feed of made-up products: about three listings each, as in the real one.

    It writes nothing into the database: that is `hopfleet products sync --file FILE`.
    """
    made = Feed(products, seed, changed)
    listings = 0
    part = file.with_name(file.name + ".part")
    try:
        with (
            bar("Making listings", int(products * _LISTINGS_EACH), "listings") as shown,
            part.open("wb") as opened,
            _member(opened, is_plain=file.suffix == ".xml") as into,
        ):
            for count, piece in feed_making.pieces(made):
                into.write(piece)
                listings += count
                shown.advance(count)
        os.replace(part, file)
    except OSError as error:
        raise Misused(f"{file} cannot be written: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)
    told = {"file": str(file), "products": products, "listings": listings}
    if json:
        output.print_json(told | {"bytes": file.stat().st_size})
    else:
        output.say(f"{file}: {products:,} products in {listings:,} listings.")
        output.note(f"Take it in: hopfleet products sync --file {file}")


@contextmanager
def _member(file: IO[bytes], *, is_plain: bool) -> Iterator[IO[bytes]]:
    """Where the XML goes: the file itself, or a member of an archive beside its DTD."""
    if is_plain:
        yield file
        return
    # Level 1: it is packed as fast as it is made.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        moment = now().timetuple()[:6]
        archive.writestr(zipfile.ZipInfo(_DTD, moment), feed_making.DTD)
        info = zipfile.ZipInfo(_XML, moment)
        info.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(info, "w", force_zip64=True) as member:
            yield member
