"""What the benchmark of workflows asks PostgreSQL itself: rows seeded in bulk, and counted.

Apart from `db/` on purpose, as `ops.bench.database` is: whoever is measured does not hold the
ruler.
"""

from datetime import datetime
from typing import Any, NamedTuple

import orjson

from base.clock import sleep, steady
from base.errors import HopfleetError
from ops.bench.database import session

CRONS = ("*/15 * * * *", "0 9 * * 1-5", "30 2 * * *", "0 0 1 * *")
ZONE = "Europe/Berlin"
SCHEDULED = [
    {"cron": cron, "timezone": ZONE, "catch_up": "once", "overlap": "allow"} for cron in CRONS
]
HOURLY = [{"every_hours": 1, "overlap": "allow"}]
TWO_STEPS = [
    {"set_campaign_status": {"status": "active"}},
    {"record_note": {"text": "{{ campaign.name }} is active"}},
]
ONE_STEP = [{"record_note": {"text": "here"}}]
_POLL_SECONDS = 0.1


class Fired(NamedTuple):
    """Of one due moment: runs, workflows among them, those with a later next time, seconds."""

    runs: int
    workflows: int
    advanced: int
    first_at: datetime
    seconds: float


class Ended(NamedTuple):
    """Runs that have ended: how many, how many well, notes and steps of them, and seconds."""

    runs: int
    succeeded: int
    notes: int
    noted_runs: int
    steps: int
    seconds: float


def _one(url: str, statement: str, *values: Any) -> Any:
    with session(url) as connection:
        done = connection.execute(statement, list(values))
        row = done.fetchone() if done.description else None
        return row if row is None or len(row) > 1 else row[0]


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def owners(url: str, count: int) -> None:
    """Active users, each with a campaign; those that are there already stay."""
    _one(
        url,
        "INSERT INTO users (email, password_hash, status)"
        " SELECT 'owner' || n || '@example.com', 'none', 'active' FROM generate_series(1, %s) n"
        " ON CONFLICT DO NOTHING", count,
    )  # fmt: skip
    _one(
        url,
        "INSERT INTO campaigns (user_id, name, status, affiliate_link, tracking_id)"
        " SELECT id, 'Bench', 'active', 'https://example.com/', 'wf' || left(md5(email), 20)"
        " FROM users WHERE email LIKE 'owner%%' ON CONFLICT DO NOTHING",
    )


def workflows(
    url: str, count: int, triggers: list[dict[str, Any]], actions: list[Any], users: int
) -> None:
    """Active scheduled workflows over so many users, as another application inserts them."""
    _one(
        url,
        "INSERT INTO workflows (user_id, name, trigger_type, trigger_config, actions, status)"
        " SELECT u.id, 'Bench ' || n, 'scheduled',"
        "  %s::jsonb -> (n %% jsonb_array_length(%s::jsonb)), %s::jsonb, 'active'"
        " FROM generate_series(1, %s) n JOIN (SELECT id, row_number() OVER (ORDER BY email) - 1"
        "  AS at FROM users WHERE email LIKE 'owner%%' LIMIT %s) u ON u.at = n %% %s",
        _json(triggers), _json(triggers), _json(actions), count, users, users,
    )  # fmt: skip


def sleeping_workflows(url: str, count: int, users: int) -> None:
    """Scheduled workflows that are due in a day and checked already, without their triggers."""
    with session(url) as connection, connection.transaction():
        for statement in (
            "ALTER TABLE workflows DISABLE TRIGGER USER",
            "INSERT INTO workflows (user_id, name, trigger_type, trigger_config, actions, status,"
            " next_run_at) SELECT u.id, 'Bench ' || n, 'scheduled', '" + _json(HOURLY[0]) + "', '"
            f"{_json(ONE_STEP)}', 'active', now() + interval '1 day' + n * interval '1 ms'"
            f" FROM generate_series(1, {count}) n JOIN (SELECT id, row_number() OVER () - 1 AS at"
            f"  FROM users WHERE email LIKE 'owner%' LIMIT {users}) u ON u.at = n % {users}",
            "INSERT INTO workflow_versions (workflow_id, version, name, trigger_type,"
            " trigger_config, conditions, actions) SELECT id, 1, name, trigger_type,"
            " trigger_config, conditions, actions FROM workflows",
            "INSERT INTO workflow_states (workflow_id, user_id, version, checked)"
            " SELECT id, user_id, 1, true FROM workflows",
            "ALTER TABLE workflows ENABLE TRIGGER USER",
        ):
            connection.execute(statement)
    tidy(url)


def tidy(url: str) -> None:
    """Vacuum and analyse what was seeded, and checkpoint: no part pays for the one before."""
    with session(url) as connection:
        connection.execute("VACUUM (ANALYZE) workflows, workflow_states, workflow_versions")
        connection.execute("VACUUM (ANALYZE) workflow_runs, campaigns, users")
        connection.execute("CHECKPOINT")


def forget(url: str) -> None:
    """Remove all workflows and all that came of them."""
    _one(url, "TRUNCATE workflows, workflow_notes CASCADE")


def until_checked(url: str, seconds: float) -> None:
    """Wait until schedulers have looked at every workflow; raises when one has a problem."""
    _until(
        lambda: not _one(url, "SELECT count(*) FROM workflow_states WHERE NOT checked"),
        seconds, "schedulers have looked at all workflows",
    )  # fmt: skip
    if problem := _one(url, "SELECT problem FROM workflow_states WHERE problem IS NOT NULL"):
        raise HopfleetError(f"A workflow of the benchmark was paused: {problem}")


def due_together(url: str, after_seconds: float) -> datetime:
    """Set every next time to one whole second, so many seconds ahead; returns it."""
    found: datetime = _one(
        url,
        "SELECT date_trunc('second', clock_timestamp()) + make_interval(secs => %s)",
        float(round(after_seconds) + 1),
    )
    _one(url, "UPDATE workflows SET next_run_at = %s", found)
    return found


def due_apart(url: str, after_seconds: float, per_second: float) -> None:
    """Set the next times one behind the other, so many in each second."""
    _one(
        url,
        "UPDATE workflows w SET next_run_at = t.base + o.at * make_interval(secs => %s)"
        " FROM (SELECT id, row_number() OVER () AS at FROM workflows) o,"
        " (SELECT clock_timestamp() + make_interval(secs => %s) AS base) t WHERE o.id = w.id",
        1 / per_second, after_seconds,
    )  # fmt: skip


def until_fired(url: str, due: datetime, seconds: float) -> Fired:
    """Wait until nothing is due any more of that moment; then who fired, by the database's clock.

    The end is when it was seen here, up to a poll later than the last commit.
    """
    with session(url) as connection:
        end = steady() + seconds
        while True:
            row = connection.execute(
                "SELECT clock_timestamp(), count(*) FROM workflows WHERE next_run_at <= %s", [due]
            ).fetchone()
            assert row is not None
            if not row[1] or steady() > end:
                break
            sleep(_POLL_SECONDS)
        last: Any = row[0]
        found = connection.execute(
            "SELECT count(*), count(DISTINCT workflow_id),"
            " (SELECT count(*) FROM workflows WHERE next_run_at > %s), min(created_at)"
            " FROM workflow_runs WHERE due_at = %s", [due, due],
        ).fetchone()  # fmt: skip
    assert found is not None
    runs, distinct, advanced, first = found
    if not runs:
        raise HopfleetError(f"No workflow fired within {seconds:.0f} s.")
    return Fired(
        int(str(runs)), int(str(distinct)), int(str(advanced)), first,  # type: ignore[arg-type]
        (last - first).total_seconds(),
    )  # fmt: skip


def queue_runs(url: str, count: int) -> None:
    """Runs of all workflows in turn, ready to be claimed; there at one moment."""
    _one(
        url,
        "INSERT INTO workflow_runs (workflow_id, user_id, version, trigger, cause, campaign_id)"
        " SELECT w.id, w.user_id, 1, 'manual', 'bench ' || n, w.campaign_id"
        " FROM generate_series(1, %s) n JOIN (SELECT w.id, w.user_id, c.id AS campaign_id,"
        "  row_number() OVER () - 1 AS at, count(*) OVER () AS among"
        "  FROM workflows w JOIN campaigns c ON c.user_id = w.user_id) w ON w.at = n %% w.among",
        count,
    )


def until_ended(url: str, count: int, seconds: float) -> Ended:
    """Wait until so many runs have ended; raises when they do not in time."""
    _until(
        lambda: _one(url, "SELECT count(*) FROM workflow_runs WHERE ended_at IS NULL") == 0
        and _one(url, "SELECT count(*) FROM workflow_runs") >= count,
        seconds, f"{count:,} runs have ended",
    )  # fmt: skip
    row = _one(
        url,
        "SELECT count(*), count(*) FILTER (WHERE state = 'done' AND outcome = 'succeeded'),"
        " (SELECT count(*) FROM workflow_notes), (SELECT count(DISTINCT run_id) FROM"
        " workflow_notes), (SELECT count(*) FROM workflow_steps WHERE state = 'done'"
        "  AND outcome = 'succeeded' AND action <> 'conditions'),"
        " extract(epoch FROM max(ended_at) - min(started_at)) FROM workflow_runs",
    )
    runs, succeeded, notes, noted, steps, seconds = row
    return Ended(runs, succeeded, notes, noted, steps, float(seconds))


def lags(url: str) -> tuple[float, float]:
    """From due to begun, in seconds: the median, and what 99 of 100 runs stay below."""
    row = _one(
        url,
        "SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP"
        " (ORDER BY extract(epoch FROM started_at - due_at)) FROM workflow_runs",
    )
    return float(row[0]), float(row[1])


def crowd(url: str, count: int) -> None:
    """One user's workflow with so many runs waiting."""
    _owned(url, "Crowd", 1)
    _one(
        url,
        "INSERT INTO workflow_runs (workflow_id, user_id, version, trigger, cause)"
        " SELECT w.id, w.user_id, 1, 'manual', 'bench ' || n"
        " FROM workflows w, generate_series(1, %s) n WHERE w.name = 'Crowd'", count,
    )  # fmt: skip
    _owned(url, "Single", 2)


def _owned(url: str, name: str, at: int) -> None:
    _one(
        url,
        "INSERT INTO workflows (user_id, name, trigger_type, actions, status)"
        " SELECT id, %s, 'manual', %s::jsonb, 'active' FROM users WHERE email = %s",
        name, _json(ONE_STEP), f"owner{at}@example.com",
    )  # fmt: skip


def single(url: str, cause: str, seconds: float) -> float:
    """One more run of another user; seconds from its row until its end, by the database's clock."""
    number = _one(
        url,
        "INSERT INTO workflow_runs (workflow_id, user_id, version, trigger, cause)"
        " SELECT id, user_id, 1, 'manual', %s FROM workflows WHERE name = 'Single' RETURNING id",
        cause,
    )
    query = (
        "SELECT extract(epoch FROM ended_at - created_at) FROM workflow_runs"
        " WHERE id = %s AND ended_at IS NOT NULL"
    )
    _until(lambda: _one(url, query, number) is not None, seconds, "a single run has ended")
    return float(_one(url, query, number))


def waiting(url: str) -> int:
    """Runs that have not ended."""
    return int(_one(url, "SELECT count(*) FROM workflow_runs WHERE ended_at IS NULL"))


def _until(happened: Any, seconds: float, what: str) -> None:
    end = steady() + seconds
    while not happened():
        if steady() > end:
            raise HopfleetError(f"Not within {seconds:.0f} s: {what}.")
        sleep(_POLL_SECONDS)
