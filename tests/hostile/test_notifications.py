"""ClickBank's notifications under attack: repeated, changed, forged, told in any order."""

import base64
import json
import random
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import orjson

from base.settings import Settings
from tests import notifications as told
from tests.fleet.fleet import Answer
from tests.fleet.program import until
from tests.hostile.siege import Siege


class Account:
    """A user of ClickBank beside the besieged tenant; one address per secret key."""

    def __init__(self, siege: Siege) -> None:
        self.siege = siege
        self.user = siege.fleet.user()["id"]
        self.keys: dict[str, str] = {}
        self.settings = Settings(data_dir=siege.fleet.folder / "data")  # which seal as the fleet's

    def key(self, secret: str) -> str:
        if secret not in self.keys:
            with self.siege.fleet.connect() as session:
                self.keys[secret] = told.connect(session, self.user, secret, own=self.settings)[0]
        return self.keys[secret]

    def tell(self, secret: str, body: bytes) -> Answer:
        return self.siege.fleet.ask("POST", f"/webhooks/clickbank/{self.key(secret)}", {}, body)

    def inbox(self, count: int) -> list[tuple[Any, ...]]:
        """All messages as (type, outcome, reason), once there are so many."""
        found: list[tuple[Any, ...]] = []

        def there() -> bool:
            found[:] = self.siege.fleet.sql(
                "SELECT type, outcome, reason FROM webhooks WHERE user_id = %s ORDER BY id",
                self.user,
            )
            return len(found) >= count

        until(there, 15, f"{count} messages are in the inbox")
        self.siege.fleet.until_drained()
        return found

    def paid(self) -> list[tuple[str, Decimal]]:
        found: Any = self.siege.fleet.sql(
            "SELECT event_type, revenue FROM analytics_events WHERE user_id = %s", self.user
        )
        return sorted(found)


def test_every_vector_thrice_and_shuffled_gives_the_sums_of_one_in_order(siege: Siege) -> None:
    account = Account(siege)
    asked = told.vectors() * 3
    random.Random(4).shuffle(asked)
    asked = [told.vector("07"), told.vector("08"), told.vector("12"), *asked]

    statuses = {account.tell(one["secret_key"], told.body(one)).status for one in asked}

    assert statuses == {204}
    assert len(account.inbox(len(asked))) == len(asked)
    expect = [one["expect"] for one in told.vectors() if one["expect"]["suggested_revenue"]]
    assert account.paid() == sorted(
        (one["suggested_event_type"], Decimal(one["suggested_revenue"])) for one in expect
    )


def test_items_38_to_41_no_changed_or_repeated_message_counts(siege: Siege) -> None:
    account, secret = Account(siege), "QH7TRAILMAP20260"
    good = told.made(secret)
    whole = orjson.loads(good)
    hidden = base64.b64decode(whole["notification"])

    def changed(raw: bytes, iv: str = whole["iv"]) -> bytes:
        return orjson.dumps({"notification": base64.b64encode(raw).decode(), "iv": iv})

    attacks = [
        told.made("ANOTHERKEY1"),
        changed(hidden[:-16]),
        changed(hidden[16:]),
        changed(hidden[:-1]),
        changed(hidden[:-17] + bytes([hidden[-17] ^ 1]) + hidden[-16:]),
        changed(hidden + hidden[-16:]),
        changed(hidden[:32] + hidden[16:32] + hidden[48:]),
        changed(hidden, base64.b64encode(b"\0" * 16).decode()),
        changed(b""),
        changed(b"\0" * 64),
        told.made(secret, receipt="QX7PLM2E' OR 1=1"),
        told.made(secret, receipt="\0"),
        told.made(secret, totalAccountAmount="99999999999"),
        told.made(secret, totalAccountAmount="1e2"),
        told.encrypted(b'{"transactionType":"SALE","receipt":"A","totalOrderAmount":NaN}', secret),
        told.encrypted(b"[" * 5_000, secret),
        told.encrypted(b'{"a":"\xff\xfe"}', secret),
    ]  # fmt: skip
    taken = [body for body in attacks if changed(b"") != body]

    said = [account.tell(secret, body) for body in attacks]
    with ThreadPoolExecutor(8) as many:
        repeats = list(many.map(lambda _: account.tell(secret, good), range(24)))
    future = account.tell(
        secret, told.made(secret, receipt="FUTURE01", transactionTime="20990101T000000Z")
    )

    assert {one.status for one in [*said, *repeats, future]} == {204, 404}  # one has no text
    found = account.inbox(len(taken) + len(repeats) + 1)
    assert [row[1] for row in found].count("recorded") == len(repeats) + 1
    assert {row[2] for row in found} == {None, "undecryptable", "unreadable"}
    assert account.paid() == [("conversion", Decimal("41.37"))] * 2


def test_a_tenant_who_names_anothers_receipt_takes_nothing_back(siege: Siege) -> None:
    victim, thief = Account(siege), Account(siege)
    victim.tell("VICTIMKEY1", told.made("VICTIMKEY1"))
    victim.inbox(1)

    thief.tell("THIEFKEY01", told.made("THIEFKEY01", "07"))
    foreign = siege.fleet.ask(
        "POST", f"/webhooks/clickbank/{victim.key('VICTIMKEY1')}", {}, told.made("THIEFKEY01", "07")
    )

    assert foreign.status == 204
    assert victim.inbox(2)[1][2] == "undecryptable"
    thief.inbox(1)
    assert victim.paid() == [("conversion", Decimal("41.37"))]
    assert thief.paid() == [("refund", Decimal("-41.37"))]


def test_the_command_that_tries_an_address_out_passes(siege: Siege) -> None:
    account = Account(siege)

    said = siege.fleet.hopfleet("integrations", "test", account.key("QH7TRAILMAP20260"), "--json")

    assert json.loads(said)["passed"] is True
    assert account.paid() == []
