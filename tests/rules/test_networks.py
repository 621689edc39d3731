"""Postbacks by template: what each network's own parameters and words come to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.errors import Refused
from base.ids import uuid7_hex
from rules.networks import TEMPLATES
from rules.postbacks import Report, parameters, reading, report
from schemas.fields import SUBS
from schemas.integrations import FIELDS, IntegrationSettings

CLICK = uuid7_hex(1_795_365_000_000)


def read(network: str, query: str, **settings: Any) -> Report | None:
    how = reading(network, IntegrationSettings(**settings))
    return report(parameters(query.encode()), how)


def said(found: Report | None) -> dict[str, Any]:
    assert found is not None
    names = ("type", "state", "receipt", "number", "amount", "currency", "clicks")
    return {name: value for name in names if (value := getattr(found, name))}


SALE = {"type": "conversion", "amount": "41.37", "currency": "USD", "clicks": [CLICK]}
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("generic", "clickid={c}&txid=7&payout=41.37", SALE | {"receipt": "7"}),
    ("generic", "cid={c}&order_id=7&transaction_id=t&amount=41.37&status=hold",
     SALE | {"receipt": "7", "number": "t", "state": "pending"}),
    ("clickbank", "event_type=PURCHASE&receipt_id=QX7PLM2E&amount=41.37&tid={c}",
     SALE | {"receipt": "QX7PLM2E"}),
    ("clickbank", "event_type=upsell%20purchase&receipt_id=QX7PLM2F&amount=41.37&extclid={c}",
     SALE | {"receipt": "QX7PLM2F"}),
    ("digistore24", "cid={c}&transaction_id=9&transaction_type=payment&amount_affiliate=41.37",
     SALE | {"receipt": "9", "number": "9", "currency": "EUR"}),
    ("digistore24", "cid={c}&order_id=O&transaction_id=10&transaction_type=refund"
     "&amount_affiliate=-41.37&currency=usd",
     SALE | {"type": "refund", "receipt": "O", "number": "10"}),
    ("affise", "sub1={c}&transactionid=a&status=1&sum=41.37&currency=EUR",
     SALE | {"receipt": "a", "currency": "EUR"}),
    ("affise", "sub1={c}&transactionid=a&status=5&sum=41.37", SALE | {"receipt": "a",
     "state": "pending"}),
    ("affise", "sub1={c}&transactionid=a&status=3&sum=41.37", SALE | {"receipt": "a",
     "state": "rejected"}),
    ("admitad", "subid={c}&order_id=b&payment_sum=41.37&payment_status=approved_but_stalled",
     SALE | {"receipt": "b", "state": "pending"}),
    ("everflow", "sub1={c}&transaction_id=e&payout_amount=41.37", SALE | {"receipt": "e"}),
    ("buygoods", "SUBID={c}&ORDERID=g&COMMISSION_AMOUNT=41.37", SALE | {"receipt": "g"}),
    ("tune", "aff_sub={c}&transaction_id=h&payout=41.3700", SALE | {"receipt": "h"}),
]  # fmt: skip


@pytest.mark.parametrize(("network", "query", "wanted"), CASES)
def test_a_networks_parameters_come_to_one_payment(
    network: str, query: str, wanted: dict[str, Any]
) -> None:
    assert said(read(network, query.format(c=CLICK))) == wanted


@pytest.mark.parametrize(
    ("network", "event"),
    [("clickbank", "event_type=order_form_impression"), ("clickbank", "event_type=TEST"),
     ("digistore24", "event=on_rebill_cancelled")],
)  # fmt: skip
def test_what_is_no_payment_is_passed_over(network: str, event: str) -> None:
    assert read(network, f"{event}&order_id=x") is None


@pytest.mark.parametrize("network", TEMPLATES)
def test_a_template_uses_our_fields_and_its_link_its_own_names(network: str) -> None:
    template = TEMPLATES[network]
    names = {name for names in template.params.values() for name in names}

    assert set(template.params) <= set(FIELDS)
    assert names == {name.lower() for name in names}
    assert set(parameters(template.link.removeprefix("?").encode())) <= names
    assert {"click_id", "order_id", "amount"} <= set(template.params)


def test_only_the_chosen_role_counts() -> None:
    query = "receipt_id=A&amount=5&event_type=sale&role="

    assert read("clickbank", query + "VENDOR", role="AFFILIATE") is None
    assert read("clickbank", query + "affiliate", role="AFFILIATE") is not None
    assert read("clickbank", query, role="AFFILIATE") is not None


def test_all_ids_of_ours_are_candidates_in_order() -> None:
    other = uuid7_hex(1_795_365_000_001)
    found = read(
        "generic", f"order_id=A&subid={other}&click_id={CLICK.upper()}&sub1={other}&sub2=x"
    )

    assert found is not None
    assert found.clicks == [CLICK, other]


def test_macros_that_nobody_filled_in_are_not_what_they_say() -> None:
    found = read("generic", "order_id=A&click_id={click_id}&sub1=[[[subid]]]&currency={currency}")

    assert found is not None
    assert (found.clicks, found.currency, found.meta) == ([], "USD", {})
    with pytest.raises(Refused, match="did not fill in"):
        read("generic", "order_id={order_id}&amount=5")


@given(st.text(max_size=40), st.sampled_from(["units", "cents"]))
def test_any_amount_is_exact_or_refused(text: str, unit: str) -> None:
    how = reading("generic", IntegrationSettings(amount_unit=unit))
    try:
        found = report({"order_id": "A", "amount": text}, how)
    except Refused:
        return
    assert found is not None
    if text:
        assert found.amount is not None
        assert 0 <= float(found.amount) <= 99_999_999.99
        worth = float(text) / (100 if unit == "cents" else 1)
        assert abs(float(found.amount) - worth) < 1e-6
        assert len(found.amount.partition(".")[2]) <= 2


@given(
    st.integers(-10**12, 10**12), st.sampled_from(["conversion", "refund"]), st.integers(0, 4)
)  # fmt: skip
def test_amounts_as_networks_write_them_keep_their_worth(cents: int, kind: str, zeros: int) -> None:
    text = f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}{'0' * zeros}"
    is_right = abs(cents) < 10**10 and (cents >= 0 or kind == "refund")
    try:
        found = report({"order_id": "A", "type": kind, "amount": text}, reading("generic",
                       IntegrationSettings()))  # fmt: skip
    except Refused:
        assert not is_right
        return
    assert is_right
    assert found is not None
    assert found.amount == f"{abs(cents) // 100}.{abs(cents) % 100:02d}"


NAMES = st.sampled_from([*FIELDS, "x"]) | st.text(max_size=5)


@given(
    st.dictionaries(NAMES, st.text(max_size=300), max_size=8), st.sampled_from(sorted(TEMPLATES))
)  # fmt: skip
def test_whatever_a_network_says_is_a_report_or_a_sentence(
    given_: dict[str, str], network: str
) -> None:
    try:
        found = report(given_, reading(network, IntegrationSettings()))
    except Refused as refusal:
        found, sentence = None, str(refusal)
    else:
        sentence = "It is one."
    assert (10 <= len(sentence) < 300, sentence[-1]) == (True, ".")
    if found is not None:
        assert found.receipt or found.clicks
        assert all("\0" not in text for text in (found.receipt or "", *found.meta.values()))


@given(st.binary(max_size=200))
def test_any_query_is_parameters_or_a_sentence(query: bytes) -> None:
    try:
        found = parameters(query)
    except Refused:
        return
    assert all(name == name.lower() for name in found)


def test_sub_ids_are_kept() -> None:
    query = "&".join(f"{name}={name}!" for name in SUBS)
    found = read("generic", f"order_id=A&{query}")

    assert found is not None
    assert found.meta == {name: f"{name}!" for name in SUBS}
