"""`hopfleet bench ingest`: measure this machine, beside the limit and the usual way."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import orjson
import typer

app = typer.Typer()


@app.callback()
def bench() -> None:
    """Measure on temporary stores; nothing of a running Hopfleet is touched."""


@app.command()
def ingest(
    seconds: Annotated[
        float, typer.Option(min=1, max=3600, help="How long the saturating load lasts.")
    ] = 30.0,
    events: Annotated[
        int, typer.Option(min=0, help="Load until so many events instead, for instance 1000000.")
    ] = 0,
    repeat: Annotated[int, typer.Option(min=1, max=20, help="Whole runs; medians count.")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="A short form of everything.")] = False,
    skip_usual: Annotated[
        bool, typer.Option("--skip-usual", help="Leave out the usual way.")
    ] = False,
    json: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write everything measured as JSON.")
    ] = None,
) -> None:
    """Rows a second, latency, memory: Hopfleet, the usual way, and the limit, in one run."""
    # Heavy, and of no use to `hopfleet bench --help`.
    from rich.console import Console

    from ops.bench import table
    from ops.bench.ingest import QUICK, Plan, run

    console = Console(stderr=False)
    plan = QUICK if quick else Plan()
    effort = plan.effort if quick else replace(plan.effort, seconds=seconds)
    plan = replace(plan, effort=replace(effort, events=events), skip_usual=skip_usual)
    result = run(plan, repeat, say=lambda line: typer.echo(line, err=True))
    if json is not None:
        json.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    table.show(result, console)
