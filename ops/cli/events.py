"""`hopfleet events`: watch them arrive, or import them from access logs."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from base.errors import Misused
from base.logs import configure
from db.events import EventRow
from ops.cli import importing, lookup, output, tailing
from ops.cli.access_logs import Wanted
from ops.cli.database import transaction
from ops.cli.entry import one_of
from ops.cli.importing import Tally
from ops.cli.log_files import STDIN, LogFile, Rejected
from ops.cli.progress import bar

TYPES = ("click", "view", "conversion", "refund", "rebill")

app = typer.Typer()


@app.command()
def tail(
    count: Annotated[
        int, typer.Option("--count", "-n", min=0, max=10_000, help="How many to begin with.")
    ] = 10,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with each that is stored, until Ctrl-C.")
    ] = False,
    user: Annotated[str | None, typer.Option(metavar="USER", help="Only this user's.")] = None,
    campaign: Annotated[
        str | None, typer.Option(metavar="CAMPAIGN", help="Only this tracking id's.")
    ] = None,
    type_: Annotated[str | None, typer.Option("--type", help=" | ".join(TYPES))] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, for scripts.")
    ] = False,
) -> None:
    """Show the events stored last, and with --follow those that come."""
    if type_ is not None:
        one_of(type_, TYPES, "--type")
    with transaction() as tx:
        chosen = tailing.Filter(
            lookup.user(tx, user).id if user else None,
            lookup.campaign(tx, campaign).id if campaign else None,
            type_,
        )
    names = tailing.Names()
    rows, newest_id = tailing.newest(chosen, count)
    for row in rows:
        _print(row, names, json)
    if not follow:
        if not rows and not json:
            output.note("No events yet.")
        return
    for row in tailing.follow(chosen, rows, newest_id):
        _print(row, names, json)


def _print(row: EventRow, names: tailing.Names, json: bool) -> None:
    if json:
        output.print_json(row._asdict() | {"id": str(row.id)})
    else:
        output.say(tailing.line(row, names))


@app.command("import")
def import_(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="An access log, plain or gzipped; - for stdin.")
    ],
    tracking_id: Annotated[
        str | None, typer.Option(help="Every line is a click of this one, whatever its path.")
    ] = None,
    path_prefix: Annotated[
        str | None,
        typer.Option(help="Only lines whose path begins like this [/r/]; the tracking id follows."),
    ] = None,
    rejected: Annotated[
        Path | None, typer.Option(help="Where bad lines are kept [FILE.rejected].")
    ] = None,
    json: output.Json = False,
) -> None:
    """Turn a web server's access log (common or combined format) into clicks at their old times.

    Lines that ask for /r/TRACKING_ID by GET, without an error, are clicks. Importing a file
    again stores nothing twice. Bad lines are kept with their reason, to be corrected and
    imported.
    """
    configure("error")
    if path_prefix is not None and not path_prefix.startswith("/"):
        raise Misused("--path-prefix must begin with a slash, for instance /go/.")
    if tracking_id is not None:
        with transaction() as tx:
            lookup.campaign(tx, tracking_id)
    wanted = Wanted(path_prefix or ("/" if tracking_id else "/r/"), tracking_id)
    log = LogFile(file)
    name = "stdin" if file == STDIN else file
    bad = Rejected(rejected or Path(f"{name}.rejected"))
    try:
        with bar(f"Importing {name}", log.size, "bytes") as shown:
            tally = importing.run(log, wanted, bad, shown)
    finally:
        bad.close()
        log.close()
    _say(name, tally, bad, wanted, json)


def _say(name: str, tally: Tally, bad: Rejected, wanted: Wanted, json: bool) -> None:
    if json:
        kept = str(bad.path) if bad.count else None
        output.print_json(
            {"file": name, **asdict(tally), "rejected": bad.count, "rejected_file": kept}
        )
        return
    output.say(f"Imported {name}: {tally.stored:,} clicks stored of {tally.lines:,} lines.")
    if tally.already:
        output.say(f"  {tally.already:,} were there already, from an earlier import")
    if tally.passed_over:
        output.say(f"  {tally.passed_over:,} passed over: other pages or methods, failed requests")
    if tally.gone:
        output.say(f"  {tally.gone:,} left out: their campaign was deleted meanwhile")
    if bad.count:
        output.say(f"  {bad.count:,} rejected: {bad.path} has them with their reasons")
    if tally.lines and tally.passed_over == tally.lines:
        output.note(
            f"No line asks for {wanted.prefix}…: name the path with --path-prefix, or the campaign"
            " with --tracking-id."
        )
