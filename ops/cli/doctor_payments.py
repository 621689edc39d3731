"""What `doctor` looks at of payments: what a person may have to put right."""

from collections.abc import Iterator
from datetime import timedelta

from base.clock import now
from db import oddities
from ops.cli.database import transaction
from ops.cli.findings import Finding, warning, well

BACK = timedelta(hours=24)
# What they are called, and what helps; the others may well be as they should.
_WRONG = {
    "orphan": "take back what nobody was paid",
    "excess": "take back more than was paid",
    "no_rate": "have a currency without a rate (`hopfleet rates import`)",
    "conflict": "name clicks or campaigns that contradict one another",
}


def check() -> Iterator[Finding]:
    """All of it; raises one sentence when PostgreSQL is away."""
    with transaction() as tx:
        found = oddities.counts(tx, now() - BACK)
    for kind, says in _WRONG.items():
        if count := found[kind]:
            yield warning(
                "payments",
                f"Orders of the last 24 h that {says}: {count:,}; `hopfleet conversions list"
                f" --flag {kind}` shows them.",
            )
    if not any(found[kind] for kind in _WRONG):
        yield well("payments", f"Nothing is wrong with those of the last 24 h{_rest(found)}.")


def _rest(found: dict[str, int]) -> str:
    told = [f"{found[kind]:,} {kind.replace('_', ' ')}" for kind in found if found[kind]]
    return f" ({', '.join(told)})" if told else ""
