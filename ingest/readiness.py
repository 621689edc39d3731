"""`/readyz`: which store is missing, and what that means right now."""

from typing import Any

from base.clock import OffsetClock
from ingest.keeper import Keeper
from ingest.recorder import Recorder

CLOCK_WARNING_SECONDS = 5


def readiness(recorder: Recorder, keeper: Keeper, clock: OffsetClock) -> dict[str, Any]:
    """What `/readyz` says; `missing` names the stores that are away, with what follows."""
    offset = round(clock.ahead_of_host_seconds(), 3) if clock.measured else None
    missing = {}
    if recorder.trouble is not None:
        full = recorder.spool_full
        missing["journal"] = "the spool is full too" if full else "events go to the spool"
    if keeper.away is not None:
        missing["database"] = "known links are served, new ones answer 503"
    warnings = []
    if offset is not None and abs(offset) > CLOCK_WARNING_SECONDS:
        warnings.append("this host's clock and the journal's differ: check its NTP")
    return {
        "status": "missing " + " and ".join(missing) if missing else "ready",
        "missing": missing,
        "warnings": warnings,
        "spool_bytes": recorder.spool_bytes,
        "clock_offset_seconds": offset,
    }
