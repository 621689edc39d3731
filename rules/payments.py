"""Payments: which report tells of which payment, and what it changes.

A payment is (integration, receipt, type, the network's number of it; ClickBank's also the role).
Doors that know no integration (pixel, API) name it by its receipt alone, so a report and a
payment are one when nothing that both of them say differs.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from schemas.items import Door
from schemas.receipts import Fact, Report

# Whose word on an amount wins: the network's own message, its postback, the marketer's server,
# and last a page that anybody can open.
TRUST: dict[str, int] = {Door.CLICKBANK: 4, Door.POSTBACK: 3, Door.EVENTS: 2}
_LEAST_TRUST = 1
_TRUST_WORDS = {4: "ins", 3: "postback", 2: "api", 1: "pixel"}

PENDING, APPROVED, REJECTED = "pending", "approved", "rejected"


class Verdict(StrEnum):
    """What a report does."""

    COUNT = "counted"  # it is the event
    CORRECT = "corrected"  # the event's amount is this one from now on
    REVERSE = "reversed"  # what was counted is taken back
    DUPLICATE = "duplicate"  # kept as an event that does not count
    NOTE = "noted"  # kept in the ledger alone


def trust_of(door: str) -> int:
    """How much the word of a door is worth; higher wins."""
    return TRUST.get(door, _LEAST_TRUST)


def trust_word(door: str) -> str:
    """The same as `metadata.trust` says it."""
    return _TRUST_WORDS[trust_of(door)]


def is_trusted(door: str) -> bool:
    """Whether a payment told there owes bonuses and fires workflows."""
    return trust_of(door) > _LEAST_TRUST


@dataclass(slots=True)
class Payment:
    """One payment as the facts tell it."""

    event_id: str
    receipt: str
    type: str
    role: str = ""
    state: str = PENDING
    row: str | None = None  # the item whose row counts now
    amount: Decimal | None = None
    currency: str | None = None
    revenue: Decimal = Decimal(0)  # signed dollars
    trust: int = 0
    was_trusted: bool = False
    was_orphan: bool = False
    rejected_at: datetime | None = None  # when it was last said that it is none
    integrations: set[str] = field(default_factory=set)
    numbers: set[str] = field(default_factory=set)
    doors: set[str] = field(default_factory=set)
    clicks: set[str] = field(default_factory=set)

    def learn(self, fact: Fact) -> None:
        """Add what one more fact says."""
        self.role = self.role or fact.role
        self.integrations |= {fact.integration_id} if fact.integration_id else set()
        self.numbers |= {fact.number} if fact.number else set()
        self.clicks |= {fact.click_id} if fact.click_id else set()
        self.doors.add(fact.door)
        self.was_orphan = self.was_orphan or "orphan" in fact.flags
        if fact.state == REJECTED:
            self.rejected_at = max(fact.created_at, self.rejected_at or fact.created_at)
        if fact.verdict == Verdict.DUPLICATE:
            return
        self.revenue += fact.revenue or 0
        if fact.verdict == Verdict.REVERSE:
            self.state, self.row = REJECTED, None
        elif fact.verdict in (Verdict.COUNT, Verdict.CORRECT):
            self.state = APPROVED
            self.row = fact.item_id if fact.verdict == Verdict.COUNT else self.row
            self.amount, self.currency = fact.amount, fact.currency
            self.trust = trust_of(fact.door)
        elif self.row is None:
            self.state = fact.state
        if self.row is not None:
            self.was_trusted = self.was_trusted or is_trusted(fact.door)


def payments(facts: Iterable[Fact]) -> dict[str, Payment]:
    """The payments of an order by their event's id; `facts` in the order they came."""
    found: dict[str, Payment] = {}
    for fact in facts:
        if fact.event_id not in found:
            found[fact.event_id] = Payment(fact.event_id, fact.receipt, fact.type)
        found[fact.event_id].learn(fact)
    return found


def matching(report: Report, known: Iterable[Payment]) -> Payment | None:
    """The payment that a report tells of; None when it is a new one."""
    return next((one for one in known if _is_same(report, one)), None)


def _is_same(report: Report, known: Payment) -> bool:
    return (
        report.type == known.type
        and report.receipt == known.receipt
        and not (report.role and known.role and report.role != known.role)
        and _may_share_network(report, known)
        and _may_share_number(report, known)
    )


def _may_share_network(report: Report, known: Payment) -> bool:
    """Two networks may give the same receipt by chance, but not to buyers of one click."""
    if not report.integration_id or not known.integrations:
        return True
    return report.integration_id in known.integrations or report.click_id in known.clicks


def _may_share_number(report: Report, known: Payment) -> bool:
    """Numbers of different doors are not comparable; then the same amount is the same payment."""
    if not report.number or not known.numbers or report.number in known.numbers:
        return True
    is_other_door = report.door not in known.doors
    return is_other_door and (report.type == "conversion" or report.amount == known.amount)


def verdict(
    report: Report, known: Payment | None, policy: str, has_receipt: bool
) -> Verdict | None:
    """What a report does; None when not even the ledger keeps it.

    `policy` says what a repeat of equal trust does: `first` (nothing), `update`, `ignore`; with
    `add` the caller passes no known payment. Without a receipt of its own a repeat may be
    another sale after all, so it is kept where people see it.
    """
    wanted = report.state if report.state in (PENDING, REJECTED) else APPROVED
    if known is None or known.row is None:
        # Two workers may take an approval and the rejection after it the other way round.
        is_stale = known and known.rejected_at and report.at < known.rejected_at
        return Verdict.COUNT if wanted == APPROVED and not is_stale else Verdict.NOTE
    if wanted == REJECTED:
        return Verdict.REVERSE
    if wanted == PENDING:
        return Verdict.NOTE
    trust = trust_of(report.door)
    # The same amount, too: from now on a less trusted one changes nothing any more.
    if trust > known.trust and report.amount is not None:
        return Verdict.CORRECT
    told = (report.amount, report.currency)
    differs = report.amount is not None and told != (known.amount, known.currency)
    if trust == known.trust and differs and policy == "update":
        return Verdict.CORRECT
    if policy == "ignore":
        return None
    is_repeat = report.door in known.doors
    return Verdict.DUPLICATE if is_repeat and not has_receipt else Verdict.NOTE


def is_paid_by(refund: Report | Payment, payment: Payment | Fact) -> bool:
    """Whether a refund is one of that payment."""
    return (
        refund.type == "refund"
        and payment.type != "refund"
        and refund.receipt == payment.receipt
        and not (refund.role and payment.role and refund.role != payment.role)
    )


def excess(known: Iterable[Payment], receipt: str, role: str) -> bool:
    """Whether more was taken back of a payment than it ever brought.

    One that was rejected after it had counted has brought nothing, and is taken back already.
    """
    paid, returned, is_paid = Decimal(0), Decimal(0), False
    for one in known:
        if one.receipt != receipt or (role and one.role and role != one.role):
            continue
        if one.type == "refund":
            returned -= one.revenue
        elif one.trust:
            paid, is_paid = paid + one.revenue, True
    return is_paid and returned > paid


def base_of(receipt: str) -> str:
    """The receipt of the first payment: ClickBank adds `-B002` to it for the second, and so on."""
    head, dash, tail = receipt.rpartition("-B")
    if dash and head and tail.isascii() and tail.isdigit() and len(tail) >= 3:
        return head
    return receipt
