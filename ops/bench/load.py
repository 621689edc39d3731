"""The load generator: one process, raw protocols on uvloop, as little work a request as can be.

Closed loop: every connection asks again as soon as it is answered. Open loop (`--rate`): requests
fall due at a fixed pace and latency counts from the due time, so a slow server cannot hide.
At the end nothing new is asked, but what is in flight is waited for: acked is then exact.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from base.clock import steady
from ops.bench import traffic
from ops.bench.connections import CLICK_ID_BYTES, Connection, Load

_GRACE_SECONDS = 10.0  # for requests in flight at the end
_OPEN_STEP_SECONDS = 0.001  # how often due requests are sent in the open loop


@dataclass(frozen=True)
class Report:
    """What one run saw; latencies in milliseconds, `each_second` counts answers."""

    seconds: float  # of asking, without the wait for the last answers
    connections: int
    rate_asked: float | None
    requests: int  # answered
    per_second: float
    statuses: dict[str, int]
    acked: int
    errors: int  # connections lost with a request in flight, or refused
    unanswered: int  # still in flight after the grace, or due and never sent
    latency_ms: dict[str, float]
    each_second: list[int]


async def run(
    host: str,
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int,
    seconds: float,
    rate: float | None = None,
    enough: int = 0,
) -> tuple[Report, bytes]:
    """Ask for `seconds`, or until `enough` answers came, and wait for what is in flight.

    Returns the report and the acked click ids, 32 bytes each.
    """
    load = Load(requests, rate, enough)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, load.stop.set)
    keepers = [asyncio.ensure_future(_keep(load, host, port)) for _ in range(connections)]
    await asyncio.sleep(0)
    started = steady()
    helpers = [asyncio.ensure_future(_count_seconds(load))]
    if rate is not None:
        helpers.append(asyncio.ensure_future(_pace(load, rate)))
    await _wait(load.stop, seconds)
    took = steady() - started
    load.finish_asking()
    await _wait(load.all_answered, _GRACE_SECONDS)
    for task in [*helpers, *keepers]:
        task.cancel()
    await asyncio.gather(*helpers, *keepers, return_exceptions=True)
    return _report(load, took, connections), bytes(load.ids)


async def _keep(load: Load, host: str, port: int) -> None:
    """One connection for the length of the run, opened again when the server ends it."""
    loop = asyncio.get_running_loop()
    while load.asking:
        try:
            transport, link = await loop.create_connection(lambda: Connection(load), host, port)
        except OSError:
            load.errors += 1
            await asyncio.sleep(0.1)
            continue
        try:
            if load.rate is None:
                link.ask(steady())
            else:
                load.idle.append(link)
            await link.gone.wait()
        finally:
            transport.close()


async def _pace(load: Load, rate: float) -> None:
    """Send each request when it falls due, or queue its due time while no connection is idle."""
    started, sent = steady(), 0
    while load.asking:
        target = int((steady() - started) * rate)
        while sent < target:
            due = started + (sent + 1) / rate
            sent += 1
            while load.idle and load.idle[0].transport.is_closing():
                load.idle.popleft()
            if load.idle:
                load.idle.popleft().ask(due)
            else:
                load.due.append(due)
        await asyncio.sleep(_OPEN_STEP_SECONDS)


async def _count_seconds(load: Load) -> None:
    before = 0
    while True:
        await asyncio.sleep(1)
        load.each_second.append(load.answered - before)
        before = load.answered


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return


def _report(load: Load, took: float, connections: int) -> Report:
    return Report(
        seconds=round(took, 3),
        connections=connections,
        rate_asked=load.rate,
        requests=load.answered,
        per_second=round(load.answered / took, 1),
        statuses={code.decode(): count for code, count in load.statuses.items()},
        acked=len(load.ids) // CLICK_ID_BYTES,
        errors=load.errors,
        unanswered=load.in_flight + len(load.due),
        latency_ms={
            "p50": load.percentile(0.5),
            "p90": load.percentile(0.9),
            "p99": load.percentile(0.99),
            "max": round(load.slowest * 1000, 3),
        },
        each_second=load.each_second,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m ops.bench.load`: print one report, write the acked ids when asked."""
    chosen = _arguments(arguments)
    address = urlsplit(chosen.url)
    host, port = address.hostname or "127.0.0.1", address.port or 80
    targets = traffic.read(chosen.targets) if chosen.targets else [traffic.Target(chosen.path)]
    wire = [target.wire(f"{host}:{port}") for target in targets]
    report, ids = uvloop.run(
        run(
            host,
            port,
            wire,
            connections=chosen.connections,
            seconds=chosen.seconds,
            rate=chosen.rate,
            enough=chosen.requests,
        )
    )
    if chosen.acked:
        chosen.acked.write_bytes(ids)
    if chosen.report:
        chosen.report.write_text(json.dumps(asdict(report)))
    if chosen.json:
        print(json.dumps(asdict(report)))
    else:
        for name, value in asdict(report).items():
            print(f"{name:12} {value}")
    return 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ops.bench.load", description=__doc__)
    parser.add_argument("--url", required=True, help="http://HOST:PORT of the doors")
    parser.add_argument("--connections", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, help="requests a second; without it: closed loop")
    parser.add_argument("--requests", type=int, default=0, help="end after so many answers")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--targets", type=Path, help="a JSON list of method, path, headers, body")
    what.add_argument("--path", help="one path asked again and again")
    parser.add_argument("--acked", type=Path, help="write the acked click ids, 32 bytes each")
    parser.add_argument("--report", type=Path, help="write the report as JSON")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
