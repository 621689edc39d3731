"""Payments: what doors tell of sales, rebills and refunds becomes events, each of them once.

All of it happens in the drain's transaction, behind the locks of the orders concerned, so two
doors that tell of one sale at the same moment still make one event. The ledger says what every
report changed; `analytics_events` holds what counts.
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from base.errors import Permanent
from db import idempotency, rates
from db.connection import Tx
from db.orders import OrderRow
from rules import money
from rules.payments import (
    PENDING,
    REJECTED,
    Payment,
    Verdict,
    excess,
    is_paid_by,
    is_trusted,
    matching,
    verdict,
)
from schemas.receipts import Fact
from workers import click_waits
from workers.cases import Case, read
from workers.order_book import Book
from workers.outcome import Ended, Found
from workers.payment_writes import Writes

_MOST_FACTS = 200  # of one order, before repeats are only counted


def settle(tx: Tx, found: Iterable[Found]) -> Ended:
    """Decide on payments in the order they came, and write all that follows."""
    ended, writes = Ended(), Writes()
    cases = _read(found, ended)
    book = Book(tx, cases)
    cases = book.own(_wait(tx, cases, book, ended), ended)
    cases = _first(tx, cases, ended)
    book.open(cases)
    _price(tx, cases)
    for case in cases:
        _decide(case, book, writes, ended)
    for order in book.close():
        _hand_down(order, book, writes)
    ended.told = writes.flush(tx)
    return ended


def _read(found: Iterable[Found], ended: Ended) -> list[Case]:
    cases = []
    for one in found:
        try:
            cases.append(read(one))
        except Permanent as error:
            ended.dead.append((one, str(error)))
    return cases


def _wait(tx: Tx, cases: list[Case], book: Book, ended: Ended) -> list[Case]:
    """Without those whose click may still come."""
    lonely = [case for case in cases if book.knows_nothing_of(case)]
    waiting = click_waits.may_come(tx, lonely) if lonely else set()
    ended.deferred += [(case.found, "click_pending") for case in lonely if id(case) in waiting]
    return [case for case in cases if id(case) not in waiting]


def _first(tx: Tx, cases: list[Case], ended: Ended) -> list[Case]:
    """Without those whose sender's own id was seen before."""
    keys = {
        id(case): (case.user, case.item["event_id"], case.item["id"])
        for case in cases
        if "event_id" in case.item
    }
    ours = idempotency.claim(tx, list(keys.values())) if keys else set()
    repeats = {at for at, key in keys.items() if key not in ours}
    ended.duplicates += [case.found for case in cases if id(case) in repeats]
    return [case for case in cases if id(case) not in repeats]


def _price(tx: Tx, cases: list[Case]) -> None:
    """Dollars of every amount, by the rate of its day."""
    known = rates.find(tx, {(case.currency, case.at.date()) for case in cases if case.is_foreign})
    for case in cases:
        case.dollars = case.amount
        if not case.is_foreign or case.amount is None:
            continue
        rate = known.get((case.currency, case.at.date()))
        case.dollars = money.dollars(case.amount, rate[1]) if rate else None
        case.meta |= {"amount": case.item["amount"], "currency": case.currency}
        if rate:
            case.meta |= {"rate": f"{rate[1].normalize():f}", "rate_date": rate[0].isoformat()}
        if case.dollars is None:
            case.meta["no_rate"] = True


def _decide(case: Case, book: Book, writes: Writes, ended: Ended) -> None:
    """What one report does, and what follows from it."""
    case.match = book.match(case)
    order = book.order(case)
    known = book.payments(order)
    policy = case.item.get("duplicates", "first")
    old = matching(case.report, known.values())
    if old and policy == "add" and old.row and case.report.door in old.doors:
        old = None
    said = verdict(case.report, old, policy, case.named)
    if said is None:
        ended.duplicates.append(case.found)
        return
    if said is Verdict.CORRECT and case.dollars is None:
        said = Verdict.NOTE  # in dollars it says nothing
    is_news = said is not Verdict.NOTE or old is None
    (ended.stored if is_news else ended.duplicates).append(case.found)
    counted, trusted = (old.row, old.was_trusted) if old else (None, False)
    fact = _fact(case, order, old, said, known.values())
    if old and _is_known_by_heart(case, old, said, book.facts(order)):
        payment = old
    else:
        payment = book.learn(case, fact)
        writes.fact(fact)
    writes.row(case, fact, book.click(case.match.click_id), counted)
    if said is Verdict.CORRECT:
        writes.corrected(case, book.facts(order), payment)
    if said is Verdict.COUNT:
        for refund in [one for one in known.values() if one.was_orphan and is_paid_by(one, fact)]:
            writes.found_payment(book.facts(order), known.values(), refund)
    if said is Verdict.REVERSE or (payment.row and payment.was_trusted and not trusted):
        writes.happen(case, fact, payment, book.click(case.match.click_id))
    # Often only the second road knows the buyer's address.
    buyer = case.item.get("buyer") if is_trusted(case.report.door) else None
    if payment.row and payment.was_trusted and (buyer or not trusted):
        writes.sell(book.order(case), payment, known.values(), buyer)


def _is_known_by_heart(case: Case, old: Payment, said: Verdict, facts: list[Fact]) -> bool:
    """Whether it repeats what the ledger has heard of a counted payment often enough.

    All facts of an order are read whenever it is told of, and a pixel is open to anybody.
    """
    told = case.report
    return (
        len(facts) >= _MOST_FACTS
        and old.row is not None
        and said in (Verdict.NOTE, Verdict.DUPLICATE)
        and told.door in old.doors
        and told.state not in (PENDING, REJECTED)
    )


def _fact(
    case: Case, order: OrderRow, old: Payment | None, said: Verdict, known: Iterable[Payment]
) -> Fact:
    """The ledger's line."""
    told, flags = case.report, list(case.match.flags)
    revenue: Decimal | None = None
    if said is Verdict.COUNT:
        revenue = case.dollars
        if told.type == "refund":
            flags += _oddities_of_refund(case, known)
        if "no_rate" in case.meta:
            flags.append("no_rate")
    elif said is Verdict.CORRECT and old is not None and case.dollars is not None:
        revenue = case.dollars - old.revenue
    elif said is Verdict.REVERSE and old is not None:
        revenue = -old.revenue
        # What was refunded before is now taken back a second time.
        rest = [one for one in known if one.event_id != old.event_id]
        undone = replace(old, revenue=Decimal(0))
        flags += ["excess"] if excess([*rest, undone], old.receipt, old.role) else []
    return Fact(
        order.id, case.user, told.integration_id, told.receipt, told.type, told.state,
        told.number, told.role, told.door, str(said), told.amount, case.currency, revenue,
        old.event_id if old else case.item["id"], case.item["id"], case.match.click_id,
        case.match.campaign_id, case.item.get("reason"), flags, case.at,
    )  # fmt: skip


def _oddities_of_refund(case: Case, known: Iterable[Payment]) -> list[str]:
    told = case.report
    if not any(one.trust and is_paid_by(told, one) for one in known):
        return ["orphan"]
    this = Payment(case.item["id"], told.receipt, told.type, revenue=case.dollars or Decimal(0))
    return ["excess"] if excess([*known, this], told.receipt, told.role) else []


def _hand_down(order: OrderRow, book: Book, writes: Writes) -> None:
    """A campaign that was found late, to rows written before, and to what they owe."""
    writes.hand_down(order, book.facts(order))
    known = book.payments(order).values()
    for payment in known:
        if payment.row and payment.was_trusted:
            writes.sell(order, payment, known, None)
