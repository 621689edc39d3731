"""`hopfleet bench …`: measure this machine, beside the limit and the usual way, and in trouble."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

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


Seconds = Annotated[float, typer.Option(min=1, max=600, help="How long each part lasts.")]
Json = Annotated[bool, typer.Option("--json", help="Print everything measured as JSON.")]


@app.command()
def flood(
    seconds: Seconds = 10.0,
    rate: Annotated[float, typer.Option(min=1, help="Made-up tracking ids a second.")] = 20_000,
    json: Json = False,
) -> None:
    """Visitors' latency beside made-up tracking ids, and what the database is asked."""
    from ops.bench import flood as bench_of

    figures = bench_of.measure(bench_of.Flood(rate, seconds), _say)
    _print(figures, json)


@app.command()
def workers(
    clicks: Annotated[int, typer.Option(min=1_000, help="How many clicks wait.")] = 200_000,
    count: Annotated[
        list[int] | None, typer.Option(min=1, max=64, help="Numbers of workers; may be repeated.")
    ] = None,
    share: Annotated[
        float, typer.Option(min=0.02, max=0.9, help="Of a core, for each slowed worker.")
    ] = 0.2,
    quick: Annotated[bool, typer.Option("--quick", help="A short form of everything.")] = False,
    json: Json = False,
) -> None:
    """How fast a backlog shrinks under 1, 2 and 4 workers, free and slowed, beside raw COPY."""
    from ops.bench import backlog

    full = backlog.Effort(clicks, tuple(count or backlog.Effort.workers), (1.0, share))
    figures = backlog.measure(backlog.QUICK if quick else full, _say)
    if json:
        _print(figures, json)
        return
    for line in backlog.table(figures):
        typer.echo(line)


@app.command()
def fairness(
    seconds: Seconds = 10.0,
    rate: Annotated[float, typer.Option(min=1, help="The flooding account's clicks/s.")] = 10_000,
    backlog: Annotated[
        float, typer.Option(min=0, help="Stop the workers for so many seconds of flood first.")
    ] = 0.0,
    json: Json = False,
) -> None:
    """How long one account's clicks take to their rows while another floods."""
    from ops.bench import fairness as bench_of

    figures = bench_of.measure(bench_of.Fairness(rate, seconds, backlog), _say)
    _print(figures, json)


@app.command()
def soak(
    minutes: Annotated[float, typer.Option(min=0.1, max=24 * 60, help="How long.")] = 30.0,
    rate: Annotated[
        float | None, typer.Option(min=1, help="Requests a second; else half of the saturating.")
    ] = None,
    json: Json = False,
) -> None:
    """Half load for half an hour: latency, memory of every process, and the audit's balance."""
    from ops.bench import soak as bench_of

    effort = bench_of.Effort(minutes, rate, settle_minutes=min(5.0, minutes / 6))
    figures = bench_of.measure(effort, _say)
    if json:
        _print(figures, json)
        return
    memory = figures.pop("memory")
    _print(figures, json)
    for name, trend in memory.items():
        typer.echo(
            f"memory of {name:22} {trend['first_mib']} → {trend['last_mib']} MiB,"
            f" {trend['mib_per_10_minutes']} MiB in 10 minutes"
        )


@app.command()
def money(
    notifications: Annotated[
        int, typer.Option(min=100, help="How many ClickBank notifications.")
    ] = 40_000,
    downloads: Annotated[int, typer.Option(min=1, help="Deliveries of one download.")] = 10_000,
    mails: Annotated[int, typer.Option(min=1, help="Deliveries by mail.")] = 2_000,
    quick: Annotated[bool, typer.Option("--quick", help="A short form of everything.")] = False,
    skip_usual: Annotated[
        bool, typer.Option("--skip-usual", help="Leave out the usual way.")
    ] = False,
    json: Json = False,
) -> None:
    """Notifications, postbacks, downloads and mails a second, beside the usual way."""
    from ops.bench import money as bench_of

    effort = (
        bench_of.QUICK
        if quick
        else bench_of.Effort(notifications, downloads=downloads, mails=mails)
    )
    figures = bench_of.measure(replace(effort, skip_usual=skip_usual), _say)
    if not json:
        figures.pop("usual_tried", None)
    _print(figures, json)


@app.command()
def workflows(
    due: Annotated[int, typer.Option(min=1, help="Workflows due in the same second.")] = 60_000,
    schedulers: Annotated[int, typer.Option(min=1, max=16, help="How many fire them.")] = 3,
    runs: Annotated[int, typer.Option(min=1, help="Runs of two steps each.")] = 20_000,
    idle: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds of watching an idle scheduler.")
    ] = 60.0,
    quick: Annotated[bool, typer.Option("--quick", help="A short form of everything.")] = False,
    skip_usual: Annotated[
        bool, typer.Option("--skip-usual", help="Leave out the usual way.")
    ] = False,
    json: Json = False,
) -> None:
    """Thousands due at once, whole runs a second, start lag, idling, fairness."""
    from ops.bench import workflows as bench_of

    effort = bench_of.Effort(
        due=due, schedulers=schedulers, runs=runs, idle_seconds=idle, skip_usual=skip_usual
    )
    figures = bench_of.measure(bench_of.QUICK if quick else effort, _say)
    if not json:
        figures.pop("usual_tried", None)
    _print(figures, json)


@app.command()
def products(
    products: Annotated[
        int, typer.Option(min=1_000, max=10_000_000, help="How many the catalogue has.")
    ] = 1_000_000,
    questions: Annotated[
        int, typer.Option(min=0, help="Searches of each kind; 0 leaves them out.")
    ] = 1_000,
    ingest_rounds: Annotated[
        int, typer.Option(min=0, help="Saturated doors, alone and beside; 0 leaves them out.")
    ] = 4,
    quick: Annotated[bool, typer.Option("--quick", help="A short form of everything.")] = False,
    json: Json = False,
) -> None:
    """A catalogue's syncs beside raw COPY, searches of every kind, clicks beside a sync."""
    from ops.bench import products as bench_of

    effort = bench_of.Effort(products, questions=questions, ingest_rounds=ingest_rounds)
    figures = bench_of.measure(bench_of.QUICK if quick else effort, _say)
    if json:
        _print(figures, json)
        return
    for line in bench_of.table(figures):
        typer.echo(line)


@app.command()
def outage(seconds: Seconds = 10.0, json: Json = False) -> None:
    """Redirects at 500 a second while stores stand still, from a second after they stopped."""
    from ops.bench import outage as bench_of

    _print(bench_of.measure(seconds, _say), json)


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _print(figures: dict[str, Any], json: bool) -> None:
    if json:
        typer.echo(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())
        return
    for name, value in figures.items():
        shown = f"{value:,.2f}" if isinstance(value, float) else value
        typer.echo(f"{name.replace('_', ' '):32} {shown}")
