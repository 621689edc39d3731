"""Products and analytics of ClickBank's API over a socket: pages, odd JSON, and bad days."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from base.clock import steady
from base.errors import HopfleetError
from integrations import clickbank_products
from integrations.clickbank import ClickBank, ClickBankAway, ClickBankBusy, ClickBankRefused
from integrations.clickbank_products import AS_AFFILIATE, SELECTED, VENDOR, Told
from integrations.whole_answers import Limits
from tests import clickbank_fake
from tests.clickbank_fake import KEY

DAYS = date(2026, 1, 1), date(2026, 3, 31)
QUESTION = f"{AS_AFFILIATE}/{VENDOR}"


class World:
    """A fake, a client of it, and how long that was told to wait."""

    def __init__(self, fake: clickbank_fake.ClickBank, address: str) -> None:
        self.fake, self.address = fake, address
        self.waited: list[float] = []

    def client(self, key: str = KEY, **limits: Any) -> ClickBank:
        return ClickBank(key, self.address, self.waited.append, limits=Limits(**limits))

    def sold(self, client: ClickBank, page: int = 1, only: str | None = None) -> Told:
        return clickbank_products.sold(
            client, AS_AFFILIATE, VENDOR, "mynick", DAYS, page, only
        )  # fmt: skip


@pytest.fixture
def world() -> Iterator[World]:
    fake = clickbank_fake.ClickBank(page_size=2)
    fake.sold[QUESTION] = []
    with fake.serve() as address:
        yield World(fake, address)


def rows(count: int) -> list[tuple[str, dict[str, Any]]]:
    return [(f"VENDOR{n}", {"REFUND_RATE": "5.0", "SALE_COUNT": n}) for n in range(count)]


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_all_pages_of_rows_are_read_and_one_row_is_a_list_of_one(world: World, count: int) -> None:
    world.fake.sold[QUESTION] = rows(count)

    found, page, more = [], 1, True
    with world.client() as client:
        while more:
            told = world.sold(client, page)
            found += told.sold
            page, more = page + 1, told.more

    assert [(one.name, one.values) for one in found] == [
        (name, {key: str(value) for key, value in values.items()})
        for name, values in world.fake.sold[QUESTION]
    ]


def test_values_that_are_asked_for_are_named_one_by_one(world: World) -> None:
    with world.client() as client:
        world.sold(client, only="QUILTPATH")

    path, page = world.fake.asked[0]
    assert all(f"select={name}" in path for name in SELECTED)
    assert "startDate=2026-01-01&endDate=2026-03-31" in path
    assert ("dimensionFilter=QUILTPATH" in path, page) == (True, "1")


def test_one_product_and_many_are_lists_and_keep_their_numbers(world: World) -> None:
    world.fake.products = {
        "mynick": [{"sku": f"S{n}", "title": f"Number {n}", "price": "9.00"} for n in range(3)],
        "empty": [],
    }

    with world.client() as client:
        first, second = (clickbank_products.listed(client, "mynick", page) for page in (1, 2))
        none = clickbank_products.listed(client, "empty", 1)

    assert [one["sku"] for one in first.products + second.products] == ["S0", "S1", "S2"]
    assert (first.more, second.more) == (True, False)
    assert second.products[0]["description"] is None
    assert none == ([], [], False)


@pytest.mark.parametrize(
    "body",
    [
        b"null", b"", b"   ", b"[]", b"3", b'"x"', b'{"rows":null}', b'{"rows":{"@nil":"true"}}',
        b'{"rows":{"row":{"@nil":"true"}}}', b'{"rows":{"row":[null,1,"x",{}]}}',
        b'{"rows":{"row":{"dimensionValue":{"@nil":"true"},"data":null}}}',
        b'{"products":{"@nil":"true"}}', b'{"products":{"product":[null,1]}}',
    ],
)  # fmt: skip
def test_odd_answers_hold_nothing(world: World, body: bytes) -> None:
    world.fake.failure = (200, body)

    with world.client() as client:
        assert world.sold(client) == ([], [], False)
        assert clickbank_products.listed(client, "mynick", 1) == ([], [], False)
        assert clickbank_products.nicknames(client) == []


@pytest.mark.parametrize(
    ("row", "values"),
    [
        (b'{"attribute":"REFUND_RATE","value":"5"}', {"REFUND_RATE": "5"}),
        (b'{"attribute":"REFUND_RATE","value":5.25}', {"REFUND_RATE": "5.25"}),
        (b'[{"attribute":"A","value":{"@nil":"true"}},{"attribute":1,"value":"2"}]', {}),
        (b'[{"attribute":"A","value":true},null,{"attribute":"B","value":["x"]}]', {}),
        (b'{"attribute":"A","value":{"@type":"xs:double","$":"1e400"}}', {"A": "1e400"}),
    ],
)
def test_odd_values_are_read_as_far_as_they_go(
    world: World, row: bytes, values: dict[str, str]
) -> None:
    world.fake.failure = (200, b'{"rows":{"row":{"dimensionValue":" Q ","data":' + row + b"}}}")

    with world.client() as client:
        (one,) = world.sold(client).sold

    assert one == ("Q", values)


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        ("403 You have exceeded your limit", ClickBankBusy, "used up"),
        ("403 Access is denied", ClickBankRefused, "wrong, has expired"),
        ("500", ClickBankAway, "500"),
        ("503", ClickBankAway, "503"),
        ("429", ClickBankAway, "429"),
        ("404", ClickBankRefused, "404"),
        ("html", ClickBankAway, "no JSON"),
        ("cut", ClickBankAway, "away"),
        ("drips", ClickBankAway, "too slowly"),
        ("drips from the head on", ClickBankAway, "too slowly"),
    ],
)
def test_a_bad_day_has_a_name_and_tells_no_key(
    world: World, fault: str, kind: type[HopfleetError], says: str
) -> None:
    world.fake.sold[QUESTION] = rows(2)
    world.fake.faults[QUESTION] = fault

    with world.client(whole_seconds=0.3) as client, pytest.raises(kind) as said:
        world.sold(client)

    assert says in str(said.value)
    assert KEY not in f"{said.value!r} {said.value.__cause__!r}"


def test_a_storm_of_403_is_waited_out_and_the_limit_is_not_taken_for_a_wrong_key(
    world: World,
) -> None:
    world.fake.sold[QUESTION] = rows(1)
    world.fake.refusals = 3

    with world.client() as client:
        told = world.sold(client)

    assert len(told.sold) == 1
    assert [one for one in world.waited if one > 1] == [2.0, 8.0, 20.0]


def test_a_missing_right_is_told_from_a_limit_by_what_the_key_still_opens(world: World) -> None:
    world.fake.sold[QUESTION] = rows(1)

    with world.client() as client:
        world.sold(client)
        with pytest.raises(ClickBankRefused) as said:
            clickbank_products.listed(client, "notmine", 1)

    assert said.value.reason == "rights"
    assert "products" in str(said.value)
    assert [one for one in world.waited if one > 1] == []


def test_a_key_that_expires_on_the_way_is_told_from_a_missing_right(world: World) -> None:
    world.fake.sold[QUESTION] = rows(3)
    world.fake.lasts = 1

    with world.client() as client:
        world.sold(client)
        with pytest.raises(ClickBankRefused) as said:
            world.sold(client, 2)

    assert said.value.reason == "key"
    assert "has expired" in str(said.value)


@pytest.mark.parametrize("key", ["API-\u20ac", "API-\nX", "API-\x00"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_repeated(world: World, key: str) -> None:
    with pytest.raises(ClickBankRefused) as said:
        world.client(key)

    assert key not in str(said.value)


def test_an_answer_that_is_too_large_is_given_up(world: World) -> None:
    world.fake.sold[QUESTION] = rows(2)

    with world.client(most_bytes=50) as client, pytest.raises(ClickBankAway, match="no end"):
        world.sold(client)


def test_each_question_takes_a_turn_those_that_are_asked_again_too(world: World) -> None:
    world.fake.sold[QUESTION] = rows(1)
    world.fake.refusals = 2
    taken: list[float] = []
    turn: Callable[[], None] = lambda: taken.append(steady())  # noqa: E731

    with ClickBank(KEY, world.address, world.waited.append, turn=turn) as client:
        world.sold(client)

    assert len(taken) == len(world.fake.asked) == 3
