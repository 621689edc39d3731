"""ClickBank's API on bad days: a short budget, wrong keys, pages without end, a killed process."""

import os
import signal
import subprocess
import sys
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest

from db import api_turns
from db.connection import Tx, transaction
from db.product_syncs import API
from integrations.clickbank import ClickBankAway
from tests import clickbank_fake, make
from tests.clickbank_fake import KEY
from tests.fleet.program import until
from tests.workers.products.asking import AFFILIATE, account, counts, product, sold, sync
from workers.clickbank_turns import KEPT_FOR_ORDERS, MOST_A_DAY
from workers.products import syncing
from workers.products.keeping import LeaseLost, Stopped


def use(session: Tx, but: int, key: str = KEY) -> None:
    """The account has used up its day but for so many questions for products."""
    session.execute("DELETE FROM api_budgets")
    session.execute(
        "INSERT INTO api_budgets (account, hour, used) VALUES (%s, date_trunc('hour', now()), %s)",
        (api_turns.account_of(key), MOST_A_DAY - KEPT_FOR_ORDERS - but),
    )


def names(fake: clickbank_fake.ClickBank) -> list[str]:
    """Which vendors were asked for one by one."""
    found = [parse_qs(urlsplit(path).query) for path, _ in fake.asked]
    return [one["dimensionFilter"][0] for one in found if "dimensionFilter" in one]


def test_products_of_live_campaigns_come_first_and_the_next_run_does_the_rest(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    user = account(session)
    for n in range(6):
        row = make.product(session, clickbank_id=f"v{n}", vendor=f"v{n}", gravity=n)
        if n in (2, 4, 5):
            status = "paused" if n == 5 else "active"
            make.campaign(session, user_id=user["id"], product_id=row["id"], status=status)
    fake.page_size = 1
    fake.sold[AFFILIATE] = [(f"v{n}", sold("5")) for n in range(6)]
    use(session, but=3)

    short = sync()
    rated = {row[0] for row in session.execute(
        "SELECT clickbank_id FROM products WHERE refund_rate IS NOT NULL")}  # fmt: skip
    asked = names(fake)
    fake.asked.clear()
    session.execute("DELETE FROM api_budgets")
    again = sync()

    assert asked == ["v4", "v2"]
    assert rated == {"v4", "v2", "v0"}
    assert short.left == 4  # the list, of which a page was read, and three other questions
    assert short.refused is None
    assert again.left == 0
    assert fake.asked[0][1] == "2"  # it goes on with the page that was next
    assert session.execute(
        "SELECT count(*) FROM products WHERE refund_rate IS NULL"
    ).fetchone() == (0,)  # fmt: skip


def test_a_vendor_is_asked_for_as_its_account_writes_it(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    user = account(session)
    row = make.product(session, clickbank_id="v1", vendor="v1")
    make.campaign(session, user_id=user["id"], product_id=row["id"])
    fake.sold[AFFILIATE] = [("V1", sold("5"))]
    use(session, but=10)
    sync()
    first = names(fake)
    fake.asked.clear()

    sync()

    assert (first, names(fake)) == (["v1", "V1"], ["V1"])


def test_a_key_that_expires_on_the_way_leaves_the_rest_and_keeps_what_was_told(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session)
    make.product(session, clickbank_id="v1", vendor="v1")
    fake.page_size = 1
    fake.sold[AFFILIATE] = [("v1", sold("5")), ("v2", sold("5"))]
    fake.lasts = 1

    report = sync()

    row = session.execute("SELECT outcome, unasked, last_error FROM product_syncs").fetchone()
    assert row is not None
    assert row[:2] == ("applied", 4)
    assert "has expired" in row[2]
    assert (report.refused, product(session, "v1")["refund_rate"]) == (None, 5)


def test_a_run_that_was_told_to_stop_goes_on_with_its_next_page(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session)
    fake.page_size = 1
    fake.sold[AFFILIATE] = [(f"v{n}", sold("5")) for n in range(4)]

    def stop_at_third(progress: syncing.Progress) -> None:
        if progress.done == 2:
            raise Stopped("told to stop")

    with transaction() as tx:
        asked = syncing.ask(tx, API, None, is_forced=False, asked_by="schedule")
    with pytest.raises(Stopped):
        syncing.run(asked, stop_at_third)
    report = syncing.run(asked)

    assert [page for path, page in fake.asked if AFFILIATE in path] == ["1", "2", "3", "4"]
    assert report.seen == 4


def test_whoever_lost_its_sync_writes_no_page_more(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session)
    fake.sold[AFFILIATE] = [("v1", sold("5"))]
    fake.before = lambda path: session.execute("UPDATE product_syncs SET attempts = attempts + 1")

    with pytest.raises(LeaseLost):
        sync()

    assert session.execute("SELECT count(*) FROM vendor_sales").fetchone() == (0,)
    assert session.execute("SELECT state FROM product_syncs").fetchone() == ("running",)


def test_what_is_left_and_why_is_kept_with_the_sync(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session)
    use(session, but=0)

    report = sync()

    row = session.execute(
        "SELECT state, outcome, unasked, last_error FROM product_syncs"
    ).fetchone()
    assert row is not None
    assert row[:3] == ("done", "applied", 4)
    assert "5,000 of them kept for orders" in row[3]
    assert (report.left, fake.asked) == (4, [])


@pytest.mark.long
def test_limits_of_the_address_are_not_tried_with_every_account(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    for n in range(6):
        account(session, nickname=f"nick{n}")
    fake.refusals = 10_000

    report = sync()

    assert report.left == 6 * 4
    assert len({parse_qs(urlsplit(path).query)["account"][0] for path, _ in fake.asked}) == 3


# --- what goes wrong


def test_a_connection_that_breaks_once_costs_nothing(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session)
    fake.sold[AFFILIATE] = [("v1", sold("5"))]
    fake.faults[AFFILIATE] = "cut"
    fake.before = lambda path: fake.faults.clear() if len(fake.asked) > 1 else None

    report = sync()

    assert (report.seen, report.refused) == (1, None)


def test_no_key_is_in_what_is_said_logged_or_kept(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session)
    account(session, key="API-WRONG", nickname="other")
    fake.sold[AFFILIATE] = [("v1", sold("5"))]
    command = [sys.executable, "-m", "ops", "products", "sync", "--source", "api"]
    environment = os.environ | {"HOPFLEET_LOG_LEVEL": "debug"}

    said = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)

    tables = ("product_syncs", "product_asks", "vendor_sales", "products", "api_budgets")
    kept = [session.execute(f"SELECT t::text FROM {table} t").fetchall() for table in tables]
    for key in (KEY, "API-WRONG"):
        assert key not in said.stdout + said.stderr + str(kept)
    assert all(kept[:3])


def test_a_wrong_key_of_one_account_does_not_stop_the_others(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session, key="API-WRONG", nickname="other")
    account(session)
    make.product(session, clickbank_id="quiltpath", vendor="quiltpath")
    fake.sold[AFFILIATE] = [("QUILTPATH", sold())]

    report = sync()

    assert counts(report) == (1, 0, 1, 0)
    (row,) = session.execute("SELECT last_error FROM product_syncs").fetchall()
    assert row[0].startswith("1 of 2 accounts: ClickBank answered 403: the API key is wrong")
    assert "API-WRONG" not in str(
        session.execute("SELECT s::text, a::text FROM product_syncs s, product_asks a").fetchall()
    )


def test_a_wrong_key_alone_is_a_refusal_with_its_reason(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session, key="API-WRONG")

    report = sync()

    assert report.refused is not None
    assert "has expired" in report.refused
    assert session.execute("SELECT reason FROM product_syncs").fetchone() == ("no_access",)


@pytest.mark.parametrize("fault", ["endless", "repeats"])
def test_pages_that_never_end_are_given_up_and_what_was_told_stays(
    session: Tx, fake: clickbank_fake.ClickBank, fault: str
) -> None:
    account(session)
    make.product(session, clickbank_id="quiltpath", vendor="quiltpath")
    fake.sold[AFFILIATE] = [("QUILTPATH", sold())]
    fake.faults[AFFILIATE] = fault

    with pytest.raises(ClickBankAway):
        sync()

    assert product(session, "quiltpath")["refund_rate"] == Decimal("6.25")
    assert len(fake.asked) <= 4
    row = session.execute("SELECT state, reason, last_error FROM product_syncs").fetchone()
    assert row is not None
    assert row[:2] == ("dead", "away")


@pytest.mark.parametrize("fault", ["html", "cut", "500"])
def test_a_scheduled_run_is_tried_again_and_asks_only_what_is_left(
    session: Tx, fake: clickbank_fake.ClickBank, fault: str
) -> None:
    account(session)
    make.product(session, clickbank_id="quiltpath", vendor="quiltpath")
    fake.sold[AFFILIATE] = [("QUILTPATH", sold())]
    fake.products["mynick"] = [{"sku": "1", "title": "Mine", "price": "27.00"}]
    fake.faults["products/list"] = fault

    with pytest.raises(ClickBankAway):
        sync("schedule")
    waiting = session.execute("SELECT id, state, seen FROM product_syncs").fetchall()
    fake.faults.clear()
    fake.asked.clear()
    session.execute("UPDATE product_syncs SET next_attempt_at = now()")
    report = syncing.run(waiting[0][0])

    assert waiting[0][1:] == ("pending", 1)
    assert counts(report) == (2, 1, 1, 0)
    assert not any(AFFILIATE in path for path, _ in fake.asked)


def test_an_integration_that_is_deleted_meanwhile_is_left_alone(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    user = account(session)
    account(session, nickname="other")
    fake.sold[AFFILIATE] = [("QUILTPATH", sold())]
    fake.before = lambda path: (
        session.execute("DELETE FROM integrations WHERE user_id = %s", (user["id"],))
        if "account=mynick" in path
        else None
    )

    report = sync()

    assert report.refused is None
    assert session.execute("SELECT DISTINCT account FROM vendor_sales").fetchall() == [("other",)]


def test_a_run_that_was_killed_goes_on_where_it_was(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session)
    for n in range(12):
        make.product(session, clickbank_id=f"v{n}", vendor=f"v{n}")
    fake.page_size = 1
    fake.sold[AFFILIATE] = [(f"V{n}", sold("5")) for n in range(12)]
    command = [sys.executable, "-m", "ops", "products", "sync", "--source", "api", "--json"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ) as running:
        until(lambda: len(fake.asked) >= 4, 60, "questions")
        running.kill()
    before = session.execute("SELECT page FROM product_asks WHERE question = %s", [AFFILIATE])
    page = (before.fetchone() or (0,))[0]
    fake.asked.clear()
    session.execute("UPDATE product_syncs SET lease_until = now() - interval '1 second'")

    (sync_id,) = session.execute("SELECT id FROM product_syncs").fetchone() or (0,)
    report = syncing.run(sync_id)

    assert 2 <= page <= 12
    assert fake.asked[0][1] == str(page)
    assert counts(report) == (12, 0, 12, 0)


@pytest.mark.long
def test_a_command_that_was_interrupted_keeps_its_pages_and_the_next_one_goes_on(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session)
    fake.page_size = 1
    fake.sold[AFFILIATE] = [(f"v{n}", sold("5")) for n in range(20)]
    command = [sys.executable, "-m", "ops", "products", "sync", "--source", "api"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as running:
        until(lambda: len(fake.asked) >= 4, 60, "questions")
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=30)[1]
    row = session.execute("SELECT state, outcome FROM product_syncs").fetchall()
    last = int(fake.asked[-1][1])
    fake.asked.clear()

    sync()

    assert row == [("done", "cancelled")]
    assert "what was told until then is kept" in said
    assert int(fake.asked[0][1]) in (last, last + 1)
