"""The server itself: its version, its clock, its room for sessions."""

from datetime import datetime
from typing import NamedTuple

from db.connection import Tx


class ServerFacts(NamedTuple):
    """What PostgreSQL says of itself; `version` as 150004 for 15.4."""

    version: int
    now: datetime
    max_connections: int  # those that anybody may use
    connections: int  # open ones, ours included
    synchronous_commit: str
    fsync: str


def facts(tx: Tx) -> ServerFacts:
    """Read them; the clock is the moment of the statement."""
    row = tx.execute(
        "SELECT current_setting('server_version_num')::int, clock_timestamp(),"
        " current_setting('max_connections')::int"
        "  - current_setting('superuser_reserved_connections')::int"
        "  - coalesce(current_setting('reserved_connections', true), '0')::int,"
        " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int,"
        " current_setting('synchronous_commit'), current_setting('fsync')"
    ).fetchone()
    assert row is not None
    return ServerFacts(*row)
