"""`doctor` on the audit: whether anything that was acknowledged in the last day is missing."""

from collections.abc import Iterator
from datetime import timedelta

from base.clock import now
from ops.cli.database import sentences
from ops.cli.findings import Finding, broken, warning, well
from workers.maintenance.auditing import audit_since

_BACK = timedelta(hours=24)


def check() -> Iterator[Finding]:
    """The last 24 hours, and spools that nobody has emptied on other hosts."""
    with sentences():
        report = audit_since(now() - _BACK)
    acked = sum(line.acked for line in report.lines)
    if report.missing:
        yield broken(
            "audit",
            f"{report.missing:,} acknowledged events of the last 24 hours are missing: run"
            " `hopfleet audit --since 24h --minutes` to see when, and look for a journal that was"
            " restored, replaced or truncated, or for a lost spool folder.",
        )
    elif report.surplus:
        yield warning(
            "audit",
            f"{report.surplus:,} events of the last 24 hours are there without any door's word:"
            " `hopfleet audit --since 24h --minutes` shows when; a host that is gone explains it.",
        )
    else:
        yield well("audit", f"All {acked:,} events acknowledged in 24 hours are accounted for.")
    if not report.whole:
        yield warning(
            "audit",
            "More waits in the journal than an audit reads: start workers, or"
            " `hopfleet queues resume all`, then look again.",
        )
    for spool in report.spools:
        yield warning(
            "audit",
            f"{spool.bytes:,} bytes wait in the spool at {spool.place}, last seen"
            f" {spool.seen_at:%Y-%m-%d %H:%M} UTC: start a door on that host and folder.",
        )
