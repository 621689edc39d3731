"""Buyers' doors: claims of a bonus, and the links to its file."""

import re
from typing import Any

import orjson
import pytest

from base.clock import wall_ms
from db.connection import Tx
from journal.streams import Kind
from rules import bonus_links
from rules.bonus_links import BonusLink
from tests import make
from tests.conftest import Connect
from tests.ingest.conftest import OpenDoor
from tests.ingest.door import Door
from tests.journal import putting
from tests.make import Made
from tests.workers.buying import ADA, sell

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Looks at what was committed."""
    return connect()


@pytest.fixture
def campaign(session: Tx) -> Made:
    """A campaign that was known before the door opened."""
    return make.campaign(session, tracking_id="buy")


def kept() -> list[dict[str, Any]]:
    """The items in the webhooks' stream."""
    return [dict(item) for item in putting.items(Kind.WEBHOOKS)]


def claim(door: Door, receipt: str = "R1", email: str = ADA, **headers: str) -> Any:
    body = f"receipt={receipt}&email={email}".encode()
    return door.post("/b/claim/buy", body, **{"content_type": FORM, **headers})


def token(door: Door, kind: Any, ident: int, seconds: float = 60) -> str:
    link = BonusLink(kind, ident, int(wall_ms() / 1000 + seconds))
    return f"/b/{bonus_links.make(door.settings.secret, link)}"


def delivered(session: Tx, campaign: Made, **columns: Any) -> int:
    """A delivery of a download, as its worker has left it."""
    make.bonus(session, campaign["id"], delivery_method="download", **columns)
    order = sell(campaign)
    row = session.execute(
        "UPDATE bonus_deliveries SET state = 'done', outcome = 'delivered', delivered_at = now(),"
        " address = NULL WHERE order_id = %s RETURNING id",
        (order,),
    ).fetchone()
    assert row is not None
    return int(row[0])


# --- claims


def test_the_form_knows_what_the_sellers_page_knew(campaign: Made, door: Door) -> None:
    page = door.get("/b/claim/buy?cbreceipt=%22%3E%3Cb%3E&cemail=ada%40example.com")
    unknown = door.get("/b/claim/nobody")

    assert page.status == 200
    assert b'value="&quot;&gt;&lt;b&gt;"' in page.body
    assert b'value="ada@example.com"' in page.body
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert unknown.status == 404


def test_a_claim_is_on_disk_before_it_is_answered(campaign: Made, door: Door) -> None:
    answer = claim(door, "abc-1")

    [item] = kept()
    assert answer.status == 200
    assert (item["type"], item["receipt"], item["door"]) == ("claim", "abc-1", "claim")
    assert item["campaign"] == str(campaign["id"])
    assert ADA not in orjson.dumps(item).decode()


def test_the_sellers_own_page_may_ask_in_json(campaign: Made, door: Door) -> None:
    body = orjson.dumps({"receipt": "R1", "email": ADA})
    answer = door.post(
        "/b/claim/buy", body, content_type="application/json", origin="https://shop.example"
    )
    asked = door.ask("OPTIONS", "/b/claim/buy", {"Origin": "https://shop.example"})

    assert answer.status == 200
    assert orjson.loads(answer.body)["status"] == "received"
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert asked.status == 204


@pytest.mark.parametrize(
    ("receipt", "email"),
    [
        ("", ADA), ("R" * 256, ADA), ("R1", ""), ("R1", "ada"), ("R1", "ada@localhost"),
        ("R1", "ada@example.com,all@example.com"), ("R1", "ada@example.com%20Bcc:x@example.com"),
        ("R1", "a" * 65 + "@example.com"), ("R1", "%3Cada@example.com%3E"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_a_claim_is_refused(
    campaign: Made, door: Door, receipt: str, email: str
) -> None:
    answer = claim(door, receipt, email)

    assert answer.status == 400
    assert kept() == []


@pytest.mark.parametrize("line", ["\r\nBcc: x@example.com", "\n", "\x00"], ids=ascii)
def test_no_line_ends_within_an_address(campaign: Made, door: Door, line: str) -> None:
    body = orjson.dumps({"receipt": "R1", "email": f"ada{line}@example.com"})

    answer = door.post("/b/claim/buy", body, content_type="application/json")

    assert answer.status == 400
    assert kept() == []


def test_a_sold_receipt_and_a_guessed_one_get_the_same_answer(
    session: Tx, campaign: Made, door: Door
) -> None:
    make.bonus(session, campaign["id"])
    sell(campaign, "SOLD", None)

    sold, guessed, repeated = claim(door, "SOLD"), claim(door, "GUESS"), claim(door, "SOLD")

    def without_date(answer: Any) -> tuple[Any, ...]:
        return answer.status, answer.headers | {"date": ""}, answer.body

    assert without_date(sold) == without_date(guessed) == without_date(repeated)


def test_every_claim_of_a_download_gets_a_link(session: Tx, campaign: Made, door: Door) -> None:
    delivered(session, campaign)

    links = [re.findall(rb'href="[^"]*(/b/[^"]+)"', claim(door, name).body) for name in "AB"]

    assert [len(found) for found in links] == [1, 1]
    pages = [door.get(found[0].decode()) for found in links]
    assert [page.status for page in pages] == [200, 200]
    assert pages[0].body == pages[1].body
    assert b"nothing for you here yet" in pages[0].body


def test_a_flood_of_guesses_is_answered_alike_and_not_kept(
    campaign: Made, open_door: OpenDoor, journal: str
) -> None:
    door = open_door(trusted_proxies="127.0.0.1/32")
    answers = [claim(door, f"G{n}", x_forwarded_for="203.0.113.9") for n in range(60)]
    other = claim(door, "R1", x_forwarded_for="198.51.100.7")

    assert len({(answer.status, answer.body) for answer in [*answers, other]}) == 1
    assert len(kept()) < 30
    assert kept()[-1]["receipt"] == "R1"


def test_a_claim_that_cannot_be_kept_says_so(
    campaign: Made, open_door: OpenDoor, journal: str, own_journal: Any
) -> None:
    door = open_door(spool_max_bytes=0)
    own_journal.kill()

    answer = claim(door)

    assert answer.status == 503


# --- links


def test_a_link_leads_to_its_file_and_is_counted(session: Tx, campaign: Made, door: Door) -> None:
    made = delivered(session, campaign, file_url="https://files.example.com/a b.pdf?x=1")

    head = door.ask("HEAD", token(door, "delivery", made))
    answer = door.get(token(door, "delivery", made))

    [item] = kept()
    assert (head.status, answer.status) == (302, 302)
    assert answer.headers["location"] == "https://files.example.com/a%20b.pdf?x=1"
    assert answer.headers["cache-control"] == "no-store"
    assert (item["type"], item["door"], item["meta"]["delivery"]) == ("download", "b", made)


@pytest.mark.parametrize(
    ("file_url", "settings"),
    [
        (None, {}),
        ("javascript:alert(1)", {}),
        ("https://example.com/\r\nSet-Cookie: a=b", {}),
        ("s3://bonuses/a.pdf", {}),
        ("s3://other/a.pdf", {"s3_url": "s3://K:S@127.0.0.1:1/bonuses"}),
        ("s3://bonuses/backups/2026.dump", {"s3_url": "s3://K:S@127.0.0.1:1/bonuses"}),
        ("s3://bonuses/a/../backups/2026.dump", {"s3_url": "s3://K:S@127.0.0.1:1/bonuses"}),
        ("s3://bonuses//backups/2026.dump", {"s3_url": "s3://K:S@127.0.0.1:1/bonuses"}),
    ],
    ids=["none", "script", "header", "no_bucket", "other_bucket", "backup", "dots", "empty"],
)  # fmt: skip
def test_a_file_nobody_may_be_sent_to_is_missing(
    session: Tx, campaign: Made, open_door: OpenDoor, journal: str, file_url: Any, settings: Any
) -> None:
    made = delivered(session, campaign, file_url=file_url)
    door = open_door(**settings)

    answer = door.get(token(door, "delivery", made))

    assert answer.status == 404
    assert "location" not in answer.headers
    assert kept() == []


def test_links_end_when_they_expire_or_the_order_is_taken_back(
    session: Tx, campaign: Made, door: Door
) -> None:
    made = delivered(session, campaign, file_url="https://files.example.com/a.pdf")
    link = token(door, "delivery", made)

    before = door.get(link)
    session.execute("UPDATE bonus_deliveries SET revoked_at = now()")
    revoked = door.get(link)
    expired = door.get(token(door, "delivery", made, -1))

    assert (before.status, revoked.status, expired.status) == (302, 410, 410)
    assert b"taken back" in revoked.body
    assert b"expired" in expired.body


def test_a_forged_link_is_no_link(session: Tx, campaign: Made, door: Door) -> None:
    made = delivered(session, campaign, file_url="https://files.example.com/a.pdf")
    good = token(door, "delivery", made)
    other = bonus_links.make(b"another", BonusLink("delivery", made, 9_999_999_999))
    forged = [good[:-1] + "_", good[:3] + "A" * 48, f"/b/{other}", "/b/claim", "/b/x", "/b/%00"]

    assert [door.get(each).status for each in forged] == [404] * len(forged)
    assert door.post(good, b"").status == 405
    assert kept() == []


def test_a_claim_that_holds_opens_its_downloads(session: Tx, campaign: Made, door: Door) -> None:
    one = delivered(session, campaign, file_url="https://files.example.com/a.pdf")
    row = make.insert(
        session, "bonus_claims",
        {
            "item_id": make.batch_id(), "user_id": campaign["user_id"], "folded": "R1",
            "campaign_id": campaign["id"], "receipt": "R1", "state": "done",
        },
    )  # fmt: skip
    link = token(door, "claim", int(row["item_id"], 16))

    early = door.get(link)
    session.execute(
        "UPDATE bonus_claims SET order_id = d.order_id FROM bonus_deliveries d WHERE d.id = %s",
        (one,),
    )
    single = door.get(link)
    session.execute(
        "INSERT INTO bonus_deliveries (kind, user_id, campaign_id, bonus_id, order_id, receipt,"
        " state, delivered_at) SELECT 'download', d.user_id, d.campaign_id, b.id, d.order_id,"
        " d.receipt, 'done', now() FROM bonus_deliveries d, bonuses b WHERE b.id = %s",
        (make.bonus(session, campaign["id"], name="Two", delivery_method="download")["id"],),
    )
    several = door.get(link)

    assert (early.status, single.status, several.status) == (200, 302, 200)
    assert several.body.count(b"href=") == 2
    assert b">Two</a>" in several.body
