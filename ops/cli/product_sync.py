"""`hopfleet products sync`: bring the catalogue to what a source tells, in this process."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer

from base.errors import HopfleetError, Misused
from base.logs import configure
from base.settings import settings
from db.product_syncs import API, FEED, SEARCH
from ops.cli import output
from ops.cli.database import sentences
from ops.cli.progress import Bar, bar
from workers.products import syncing
from workers.products.syncing import Progress, Report

SOURCES = (FEED, API, SEARCH)
_STAGES = {
    "fetch": ("fetching the feed", "bytes"),
    "read": ("reading the feed", "bytes"),
    "merge": ("merging its listings", "listings"),
    "apply": ("writing changes", "products"),
    "ask": ("asking ClickBank", "questions"),
}


def sync(
    file: Annotated[
        Path | None, typer.Option(help="A feed on this machine: zip, or XML.", metavar="FILE")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="A feed at this address, instead of ClickBank's own.")
    ] = None,
    source: Annotated[str, typer.Option(help="Where from: feed, api or search.")] = FEED,
    force: Annotated[
        bool, typer.Option("--force", help="Take a feed that is older, or far smaller, too.")
    ] = False,
    json: output.Json = False,
) -> None:
    """Bring the products to what ClickBank's marketplace tells; refuses damaged and old feeds.

    All or nothing: a feed that is cut off, or a process that is killed, changes no row.
    """
    configure("error")
    address = _address(file, url, source)
    with sentences():
        row = syncing.begin(source, address, is_forced=force)
        try:
            with _shown() as said:
                report = syncing.carry_out(row, said)
        except KeyboardInterrupt:
            kept = "nothing was changed" if source == FEED else "what was told until then is kept"
            output.note(f"Stopped; {kept}.")
            raise
        except psycopg.Error as error:
            if isinstance(error, psycopg.OperationalError | psycopg.ProgrammingError):
                raise
            raise HopfleetError(
                f"PostgreSQL refused the feed ({error.diag.message_primary}); nothing was changed."
            ) from error
    _say(report, source, json)


def _address(file: Path | None, url: str | None, source: str) -> str | None:
    if source not in SOURCES:
        raise Misused(f"There is no source {source!r}: it is one of {', '.join(SOURCES)}.")
    if file is not None and url is not None:
        raise Misused("Say --file or --url, not both.")
    if (file or url) and source != FEED:
        raise Misused(
            "--file and --url name a feed; the other sources have addresses of their own."
        )
    if file is None:
        return (url or settings().feed_url) if source == FEED else None
    if not file.is_file():
        what = "is no file" if file.exists() else "is not there"
        raise Misused(f"{file} {what}: name a marketplace feed, as zip or XML.")
    try:
        file.open("rb").close()
    except OSError as error:
        raise Misused(f"{file} cannot be read: {error.strerror}.") from None
    return str(file.resolve())


@contextmanager
def _shown() -> Iterator[Any]:
    """A bar for each stage, one after the other; where nobody looks, a line for each."""
    with ExitStack() as stack:
        now: dict[str, Bar] = {}

        def said(progress: Progress) -> None:
            if progress.stage not in now:
                stack.close()
                now.clear()
                doing, unit = _STAGES.get(progress.stage, (progress.stage, "items"))
                if not _is_watched():
                    output.note(f"{doing} …")
                now[progress.stage] = stack.enter_context(bar(doing, progress.total, unit))
            now[progress.stage].to(progress.done)

        yield said


def _is_watched() -> bool:
    return sys.stderr.isatty()


def _say(report: Report, source: str, json: bool) -> None:
    if json:
        counts = report._asdict() | {"seconds": round(report.seconds, 3)}
        del counts["skipped"]
        if source == FEED:
            del counts["left"]
        output.print_json({"sync": str(counts.pop("sync_id")), **counts})
    elif report.refused is None and source != FEED:
        output.say(
            f"{report.seen:,} products told: {report.inserted:,} new, {report.updated:,} changed,"
            f" {report.unchanged:,} as they were, in {report.seconds:,.1f} s."
        )
        if report.left:
            output.note(f"{report.left:,} questions are left for the next run: limits are reached.")
    elif report.refused is None:
        output.say(
            f"{report.seen:,} products: {report.inserted:,} new, {report.updated:,} changed,"
            f" {report.unchanged:,} as they were; {report.missing:,} that we know are not in it."
            f" {report.listings:,} listings in {report.seconds:,.1f} s."
        )
    else:
        output.note(f"Refused: {report.refused}")
    if report.skipped:
        output.note(f"{report.skipped:,} listings without a usable id were left out.")
    if report.refused is not None:
        raise typer.Exit(1)
