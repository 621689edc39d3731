"""What is wrong with workflows, in numbers: paused with a problem, failing, late, waiting."""

from typing import NamedTuple

from db.connection import Tx


class Troubles(NamedTuple):
    """Counts of workflows, and how long the first of what is due waits, in seconds.

    `worst` are the failed runs in a row of the one with most; `unchecked` were changed and not
    looked at yet.
    """

    paused: int
    failing: int
    worst: int
    unchecked: int
    late_seconds: float
    oldest_run_seconds: float
    waiting_runs: int


_STATEMENT = """
    SELECT (SELECT count(*) FROM workflow_states s JOIN workflows w ON w.id = s.workflow_id
            WHERE s.problem IS NOT NULL AND w.status = 'paused'),
        (SELECT count(*) FROM workflow_states s JOIN workflows w ON w.id = s.workflow_id
            WHERE s.failures > 0 AND w.status = 'active'),
        (SELECT coalesce(max(s.failures), 0) FROM workflow_states s
            JOIN workflows w ON w.id = s.workflow_id
            WHERE s.failures > 0 AND w.status = 'active'),
        (SELECT count(*) FROM workflow_states WHERE NOT checked),
        (SELECT greatest(0, coalesce(extract(epoch FROM clock_timestamp() - min(next_run_at)), 0))
            FROM workflows WHERE next_run_at IS NOT NULL)::float8,
        (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(next_attempt_at)), 0)
            FROM workflow_runs WHERE state = 'pending' AND ready)::float8,
        (SELECT count(*) FROM workflow_runs WHERE state = 'pending' AND NOT ready)
"""


def read(tx: Tx) -> Troubles:
    """What is wrong right now."""
    row = tx.execute(_STATEMENT).fetchone()
    assert row is not None
    return Troubles(*row)
