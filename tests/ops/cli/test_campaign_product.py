"""`hopfleet campaigns add --product`: the hoplink of the account that advertises a product."""

from urllib.parse import parse_qs, urlsplit

import pytest

from db import campaigns
from rules import destination
from tests import make
from tests.conftest import Connect
from tests.ops.cli.conftest import Run

LINK = "https://hop.clickbank.net/?affiliate={}&vendor=quiltpath"


@pytest.fixture
def email(connect: Connect) -> str:
    """A user, and a product in the catalogue."""
    connect().execute(
        "INSERT INTO products (clickbank_id, title, vendor) VALUES ('quiltpath', 'Q', 'quiltpath')"
    )
    return str(make.user(connect())["email"])


def _nickname(run: Run, email: str, name: str) -> None:
    told = ("--user", email, "--secret", "QH7TRAILMAP20260", "--nickname", name)
    assert run("integrations", "add", "clickbank", *told).code == 0


def test_the_hoplink_is_built_from_the_accounts_nickname(
    run: Run, connect: Connect, email: str
) -> None:
    _nickname(run, email, "MapleWick")

    said = run(
        "campaigns", "add", "--user", email, "--name", "N", "--product", "QuiltPath", "--json"
    )
    shown = run("campaigns", "show", said.json["tracking_id"], "--json")

    row = campaigns.find(connect(), said.json["tracking_id"])
    assert row is not None
    assert row.affiliate_link == LINK.format("maplewick")
    assert shown.json["product"] == "quiltpath"


def test_a_visit_puts_its_click_id_into_that_hoplink(
    run: Run, connect: Connect, email: str
) -> None:
    add = ("campaigns", "add", "--user", email, "--name", "N", "--product", "quiltpath", "--json")
    said = run(*add, "--nickname", "maplewick")
    row = campaigns.find(connect(), said.json["tracking_id"])
    assert row is not None

    template = destination.compile_link(row.affiliate_link or "")

    assert template is not None
    location = template.location("0" * 32, "t", str(row.id), None, {}, False).decode()
    query = parse_qs(urlsplit(location).query)
    assert query["tid"] == query["extclid"] == ["0" * 32]
    assert (query["affiliate"], query["vendor"]) == (["maplewick"], ["quiltpath"])


def test_a_link_of_ones_own_keeps_the_product(run: Run, connect: Connect, email: str) -> None:
    said = run(
        *("campaigns", "add", "--user", email, "--name", "N", "--product", "quiltpath", "--json"),
        *("--link", "https://quiltpath.example.com/"),
    )

    row = campaigns.find(connect(), said.json["tracking_id"])
    assert row is not None
    assert row.affiliate_link == "https://quiltpath.example.com/"
    assert row.product_id is not None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "--link URL, or --product"),
        (("--product", "quiltpath"), "--nickname NICK"),
        (("--product", "nosuch"), "products search"),
        (("--product", "quiltpath", "--nickname", "no!"), "letters and digits"),
        (("--nickname", "maplewick", "--link", "https://example.com"), "goes with --product"),
    ],
)
def test_what_is_missing_is_said(
    run: Run, connect: Connect, email: str, options: tuple[str, ...], says: str
) -> None:
    said = run("campaigns", "add", "--user", email, "--name", "N", *options)

    assert said.code == 2
    assert says in said.err
    assert campaigns.page(connect(), 1) == []


def test_of_two_accounts_one_is_to_be_named(run: Run, email: str) -> None:
    _nickname(run, email, "maplewick")
    _nickname(run, email, "oakleaf")

    said = run("campaigns", "add", "--user", email, "--name", "N", "--product", "quiltpath")

    assert said.code == 2
    assert "--nickname maplewick | oakleaf" in said.err


def test_a_vanished_product_is_added_with_a_warning(run: Run, connect: Connect, email: str) -> None:
    connect().execute(
        "INSERT INTO product_absences (product_id, feeds, since_sync, vanished_at)"
        " SELECT id, 3, 1, now() FROM products"
    )

    said = run(
        *("campaigns", "add", "--user", email, "--name", "N", "--product", "quiltpath"),
        *("--nickname", "maplewick"),
    )

    assert said.code == 0
    assert "vanished" in said.err
