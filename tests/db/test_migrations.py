"""Migrations: up, down and up again keep the rows of every table that is kept."""

import os
import subprocess
import sys
from typing import Any

import psycopg
import pytest

from base.errors import StoreAway
from db import migrations
from db.schema import DOCUMENT, SIDE
from tests.servers import create_database, drop_database

ROWS = 10_000
NINE = [model.__tablename__ for model in DOCUMENT]

# One statement a table, each ten thousand rows; ids are the row's number, so that they refer.
_ID = "lpad(to_hex(n), 32, '0')::uuid"
_FILL = {
    "users": "(id, email, password_hash) SELECT {id}, n || '@example.com', '-'",
    "products": "(id, clickbank_id, title, vendor, gravity)"
    " SELECT {id}, n::text, 'title ' || n, 'vendor', n / 100.0",
    "campaigns": "(id, user_id, product_id, name, tracking_id, settings)"
    " SELECT {id}, {id}, {id}, 'name', n::text, jsonb_build_object('n', n)",
    "content": "(id, user_id, campaign_id, type, body) SELECT {id}, {id}, {id}, 'email', 'body'",
    "workflows": "(id, user_id, name, trigger_type, actions) SELECT {id}, {id}, 'n', 'event', '[]'",
    "analytics_events": "(user_id, campaign_id, event_type, metadata, revenue, created_at)"
    " SELECT {id}, {id}, 'click', jsonb_build_object('n', n), n / 100.0,"
    " now() - n * interval '12 minutes'",
    "bonuses": "(id, campaign_id, name) SELECT {id}, {id}, 'bonus'",
    "teams": "(id, owner_id, name) SELECT {id}, {id}, 'team'",
    "team_members": "(id, team_id, user_id) SELECT {id}, {id}, {id}",
    "ledger": "(batch_id) SELECT (lpad(to_hex(extract(epoch FROM now())::bigint * 1000 - n), 12,"
    " '0') || repeat('0', 20))::uuid",
    "idempotency_keys": "(user_id, event_id, click_id) SELECT {id}, 'e', repeat('0', 32)",
    "held_events": "(kind, batch_id, position, item) SELECT 'clicks', {id}, 0, ''",
    "api_keys": "(id, user_id, name, prefix, digest) SELECT {id}, {id}, 'k', 'hf', n::text::bytea",
    "accounts": "(user_id) SELECT {id}",
    "purges": "(noun, key) SELECT 'user', {id}",
    "link_changes": "(noun, key) SELECT 'link', n::text",
    "queue_controls": "(queue, threads) SELECT n::text, 3",
    "processes": "(name, role) SELECT n::text, 'worker'",
    "door_counts": "(process, minute, door, offered, acked, refused, dropped)"
    " SELECT 'p', now() - n * interval '1 minute', 'r', n, n, 0, 0",
    "event_outcomes": "(minute, door, outcome, items) SELECT now(), 'r', 'stored', n",
    "bot_rules": "(user_id, kind, pattern, verdict) SELECT {id}, 'agent', n::text, 'person'",
    "integrations": "(id, user_id, network, name, key_digest, sealed)"
    " SELECT {id}, {id}, 'clickbank', 'n', n::text::bytea, ''",
    "orders": "(id, user_id, receipt) SELECT n, {id}, n::text",
    "receipts": "(order_id, user_id, receipt, type, state, door, verdict, event_id, item_id)"
    " SELECT n, {id}, n::text, 'conversion', 'approved', 'events', 'counted', n::text, n::text",
    "rates": "(currency, day, dollars) SELECT 'EUR', current_date - n, 1.1",
    "webhooks": "(source, external_id, body) SELECT 'stripe', n::text, ''",
    "bonus_deliveries": "(id, kind, user_id, campaign_id, bonus_id, order_id, receipt)"
    " SELECT n, 'email', {id}, {id}, {id}, n, n::text",
    "delivery_attempts": "(delivery_id, attempt, server) SELECT n, 1, 's'",
    "bonus_downloads": "(delivery_id) SELECT n",
    "bonus_claims": "(item_id, user_id, campaign_id, receipt, folded)"
    " SELECT n::text, {id}, {id}, n::text, n::text",
    "stripe_customers": "(customer_id, user_id) SELECT n::text, {id}",
    "stripe_states": "(customer_id, subscription_id, event_id, made_at, status)"
    " SELECT n::text, n::text, n::text, now(), 'active'",
    "stripe_prices": "(price_id, tier) SELECT n::text, 'agency'",
    "user_holds": "(user_id, kind) SELECT {id}, 'admin'",
    "user_changes": "(user_id, cause, before, after) SELECT {id}, 'evt', '{{}}', '{{}}'",
    # A trigger has written their versions and states.
    "workflow_runs": "(id, workflow_id, user_id, version, trigger)"
    " SELECT n, {id}, {id}, 1, 'scheduled'",
    "workflow_steps": "(run_id, path, name, action, state, key)"
    " SELECT n, '1', '1_wait', 'wait', 'done', n::text",
    "workflow_waits": "(run_id, path, user_id, kind) SELECT n, '1', {id}, 'conversion'",
    "workflow_secrets": "(user_id, name, sealed) SELECT {id}, 's', ''",
    "workflow_notes": "(user_id, text) SELECT {id}, 'note'",
    "workflow_events": "(kind, user_id, data) SELECT 'click', {id}, '{{}}'",
    "workflow_gathers": "(workflow_id) SELECT {id}",
    "calls": "(id, kind, user_id, run_id, key) SELECT n, 'http', {id}, n, n::text",
    "call_attempts": "(call_id, attempt) SELECT n, 1",
    "publications": "(id, user_id) SELECT n, {id}",
    "notices": "(user_id, kind) SELECT {id}, 'trial_ending'",
    "chores": "(name, due_at) SELECT n::text, now()",
    "host_spools": "(place, bytes) SELECT n::text, n",
    "product_syncs": "(source, asked_by, outcome) SELECT 'feed', 'command', 'applied'",
    "product_states": "(product_id, clickbank_id, digest) SELECT {id}, n::text, {id}",
    "product_absences": "(product_id, feeds, since_sync) SELECT {id}, 1, n",
    "product_history": "(product_id, day, gravity) SELECT {id}, current_date, n / 100.0",
    "product_asks": "(integration_id, account, question, sync_id) SELECT {id}, 'a', 'q', n",
    "vendor_sales": "(integration_id, account, role, dimension, name, told)"
    " SELECT {id}, 'a', 'affiliate', 'vendor', n::text, '{{}}'",
    "api_turns": "(service, next_at) SELECT n::text, now()",
    "api_budgets": "(account, hour, used) SELECT n::text, now(), n",
    "product_words": "(word, titles, slips) SELECT n::text, n, '{{}}'",
}


def _fill(session: psycopg.Connection[Any]) -> None:
    for table, columns_and_select in _FILL.items():
        session.execute(
            f"INSERT INTO {table} {columns_and_select.format(id=_ID)}"
            f" FROM generate_series(1, {ROWS}) AS n"
        )
    session.commit()


def _contents(address: str) -> dict[str, tuple[int, str]]:
    """Per existing table: its rows, and a checksum over all of their columns in name order."""
    found = {}
    with psycopg.connect(address) as session:
        for table in [*NINE, *(model.__tablename__ for model in SIDE)]:
            if session.execute("SELECT to_regclass(%s)", (table,)).fetchone() == (None,):
                continue
            row = session.execute(
                "SELECT count(*), md5(string_agg(line, chr(10) ORDER BY line))"
                f" FROM (SELECT jsonb_strip_nulls(to_jsonb(t))::text AS line FROM {table} t) lines"
            ).fetchone()
            assert row is not None
            found[table] = (row[0], row[1])
    return found


def test_down_and_up_again_keep_ten_thousand_rows_of_each_table(scratch: str) -> None:
    migrations.upgrade(scratch)
    with psycopg.connect(scratch) as session:
        _fill(session)
    full = _contents(scratch)

    kept = []
    for revision in ("0005", "0004", "0003", "0002", "0001"):
        migrations.downgrade(scratch, revision)
        kept.append(_contents(scratch))
    migrations.upgrade(scratch)
    again = _contents(scratch)

    assert set(full) == {*NINE, *(model.__tablename__ for model in SIDE)}
    assert all(count >= ROWS for count, _ in full.values())
    for at_revision in kept:
        assert {table: at_revision[table] for table in NINE} == {t: full[t] for t in NINE}
    side = kept[0].keys() - set(NINE)
    assert {"ledger", "held_events", "api_keys"} <= side
    assert {table: kept[0][table][0] for table in side} == {t: full[t][0] for t in side}
    assert all(at_revision.keys() == set(NINE) for at_revision in kept[1:])
    assert {table: again[table] for table in NINE} == {table: full[table] for table in NINE}


def test_ids_go_on_where_they_were_after_every_revision(scratch: str) -> None:
    seen = []
    for move, revision in (
        (migrations.upgrade, "0001"),
        (migrations.upgrade, "0002"),
        (migrations.downgrade, "0001"),
        (migrations.upgrade, "0002"),
    ):
        move(scratch, revision)
        with psycopg.connect(scratch) as session:
            session.execute(
                "INSERT INTO users (email, password_hash) VALUES ('a@b.c', '-')"
                " ON CONFLICT DO NOTHING"
            )
            row = session.execute(
                "INSERT INTO analytics_events (user_id, event_type)"
                " SELECT id, 'click' FROM users RETURNING id"
            ).fetchone()
            assert row is not None
            seen.append(row[0])

    assert seen == sorted(set(seen))


def test_old_months_that_have_rows_get_partitions(scratch: str) -> None:
    migrations.upgrade(scratch, "0001")
    with psycopg.connect(scratch) as session:
        session.execute("INSERT INTO users (email, password_hash) VALUES ('a@b.c', '-')")
        session.execute(
            "INSERT INTO analytics_events (user_id, event_type, created_at)"
            " SELECT id, 'click', '2019-12-31 23:59:59.999+00' FROM users"
        )

    migrations.upgrade(scratch)

    with psycopg.connect(scratch) as session:
        row = session.execute("SELECT count(*) FROM analytics_events_2019_12").fetchone()
    assert row == (1,)


def test_two_migrators_at_once_do_it_once(scratch: str) -> None:
    argv = [sys.executable, "-c", "from db import migrations; migrations.upgrade()"]
    environment = {**os.environ, "HOPFLEET_DATABASE_URL": scratch}

    both = [subprocess.Popen(argv, env=environment) for _ in range(2)]

    assert [one.wait() for one in both] == [0, 0]
    assert migrations.current(scratch) == migrations.head()


def test_a_database_that_is_away_is_one_sentence() -> None:
    with pytest.raises(StoreAway, match="refused"):
        migrations.upgrade("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(StoreAway, match="refused"):
        migrations.current("postgresql://nobody@127.0.0.1:1/none")


def test_a_database_that_was_never_migrated_has_no_revision(scratch: str) -> None:
    assert migrations.current(scratch) is None


def test_down_to_nothing_leaves_nothing(scratch: str) -> None:
    migrations.upgrade(scratch)
    migrations.downgrade(scratch, "base")

    with psycopg.connect(scratch) as session:
        left = session.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        ).fetchall()
    assert {row[0] for row in left} == {"alembic_version", "alembic_version_pkc"}


@pytest.mark.parametrize("name", ["odd%name", "with space", "üml'aut"])
def test_an_odd_database_name_can_be_migrated(postgres: str, name: str) -> None:
    address = create_database(postgres, name, template="template0")

    migrations.upgrade(address, "0001")

    assert migrations.current(address) == "0001"
    drop_database(postgres, name)
