"""What release 0.1.0 wrote is read by this one: journal, spool and held rows, byte for byte.

`tests/data/release_0_1_0.json` was made by its own doors (commit 004b034): one request at each of
redirect, pixel, pixel with a conversion, beacon and `/v1/events`, first with a journal, whose
entries are kept, then without one, whose spool segment is kept; and three rows of its
`held_events`. Only the moments inside the ids are moved to now, since the ledger takes no others.
"""

import base64
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from base.clock import now, wall_ms
from base.ids import uuid7_hex
from db import held as db_held
from db.connection import Tx, transaction
from journal import claims
from journal.appends import Batch
from journal.claims import Claimed
from journal.spool import Damage, read
from journal.streams import Kind, items_key, stream
from schemas.items import READABLE, VERSION
from tests import make
from tests.conftest import Connect
from tests.reading import ROOT
from tests.workers.items import item, rows
from workers import clicks, conversions
from workers.held import release
from workers.store import store

# A click that a sale names stays where it was: for one of this minute the sale would wait.
_MOMENT = re.compile(r'(?<!"click":")01a204ec[0-9a-f]{4}(?=[0-9a-f]{20})')
TYPES = ["click", "conversion", "conversion", "refund", "view", "view"]


@cache
def written() -> dict[str, Any]:
    """What stands in the file."""
    found: dict[str, Any] = json.loads((ROOT / "tests/data/release_0_1_0.json").read_text())
    return found


def moved(text: str) -> str:
    """The same, as if it had been written just now."""
    later = wall_ms() - int(written()["entries"][0]["fields"]["id"][:12], 16)
    return _MOMENT.sub(lambda found: f"{int(found[0], 16) + later:012x}", text)


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Looks at what was committed; the owners are those of the file."""
    made = connect()
    make.user(made, id=written()["user"])
    make.campaign(made, id=written()["campaign"], user_id=written()["user"], tracking_id="old")
    return made


def types(session: Tx) -> list[str]:
    return sorted(row["event_type"] for row in rows(session))


def sums(session: Tx) -> list[str]:
    return sorted(str(row["revenue"]) for row in rows(session) if row["revenue"] is not None)


def test_entries_of_its_journal_become_the_rows_they_meant(session: Tx, journal: str) -> None:
    for entry in written()["entries"]:
        fields = {name: moved(value) for name, value in entry["fields"].items()}
        claims.client().xadd(stream(Kind(entry["kind"])), fields)  # type: ignore[arg-type]
        claims.client().incrby(items_key(Kind(entry["kind"])), int(fields["n"]))

    clicks.drain()
    conversions.drain()

    assert types(session) == TYPES
    assert sums(session) == ["-3.00", "12.50"]
    (click,) = [row for row in rows(session) if row["event_type"] == "click"]
    assert (click["source"], click["metadata"]["sub1"]) == ("mail", "a")
    assert click["metadata"]["browser"] == "Firefox"
    assert not any(claims.waiting(kind) for kind in Kind)


def test_its_spool_is_read_without_damage_and_stored(
    session: Tx, journal: str, tmp_path: Path
) -> None:
    damage = Damage()
    (tmp_path / "1.seg").write_bytes(b"".join(map(base64.b64decode, written()["spool"])))

    batches = list(read(tmp_path / "1.seg", damage))
    for kind in (Kind.CLICKS, Kind.CONVERSIONS):
        found = [claimed(one) for one in batches if one.kind == kind]
        with transaction() as tx:
            assert store(tx, kind, found, now()) == found

    assert damage.bytes == 0
    assert types(session) == TYPES
    assert sums(session) == ["-3.00", "12.50"]


def claimed(batch: Batch) -> Claimed:
    body = moved(batch.body.decode()).encode()
    return Claimed(b"1-0", moved(batch.id), batch.count, batch.version, body)


def hold(session: Tx, row: dict[str, Any]) -> None:
    columns = {**row, "batch_id": moved(row["batch_id"].replace("-", ""))}
    columns["item"] = moved(row["item"]).encode()
    session.execute(
        f"INSERT INTO held_events ({', '.join(columns)})"
        f" VALUES ({', '.join(['%s'] * len(columns))})",
        list(columns.values()),
    )


def test_rows_it_held_are_released_and_replayed(session: Tx) -> None:
    for row in written()["held"]:
        hold(session, row)
    for letter in db_held.dead(session, 10):
        assert db_held.replay(session, letter.id)

    release()

    found = session.execute("SELECT state, outcome FROM held_events").fetchall()
    assert found == [("done", "stored")] * 3
    assert types(session) == ["click"] * 3  # one for each row: they were made of one click


def test_a_held_row_of_a_later_format_waits_and_blocks_nobody(session: Tx) -> None:
    first, *_ = written()["held"]
    hold(session, {**first, "format": db_held.FORMAT + 1, "item": '{"later": true}'})
    hold(session, {**first, "position": 5})

    release()

    found = session.execute("SELECT state, format FROM held_events ORDER BY format").fetchall()
    assert found == [("done", 1), ("pending", 2)]
    assert types(session) == ["click"]


def test_fields_that_a_later_release_adds_are_passed_over(session: Tx, journal: str) -> None:
    made = {**item(written()["user"]), "later": {"a": 1}}
    fields = {"v": "1", "id": uuid7_hex(wall_ms()), "n": "1", "z": "?", "b": json.dumps([made])}
    claims.client().xadd(stream(Kind.CLICKS), fields)  # type: ignore[arg-type]

    clicks.drain()

    assert types(session) == ["click"]


def test_what_is_written_is_what_0_1_0_reads() -> None:
    """A rolling deploy has doors of this release before workers of the one before."""
    assert VERSION == b"1"
    assert VERSION in READABLE
