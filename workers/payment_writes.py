"""What payments write: rows, corrections of rows, facts of the ledger, and what is owed."""

from collections.abc import Iterable
from decimal import Decimal

import orjson

from db import deliveries, events, receipts
from db.connection import Tx
from db.deliveries import Sold
from db.events import Change
from db.orders import OrderRow
from db.workflow_events import Fact as HappenedFact
from rules.attribution import Click
from rules.payments import Payment, Verdict, excess, is_trusted, trust_word
from schemas.items import Door
from schemas.receipts import Fact
from workers.cases import Case
from workers.outcome import Found
from workers.rows import payment_row
from workers.workflows import happened, telling

# Of payments that no click tells the source of.
_SOURCES: dict[str, str] = {Door.CLICKBANK: "clickbank"}
_WRITES_ROWS = frozenset({Verdict.COUNT, Verdict.DUPLICATE, Verdict.REVERSE})


# What a row says of an amount that was not in dollars; another amount has its own.
_OF_AMOUNT = ("amount", "currency", "rate", "rate_date", "no_rate")


class Writes:
    """Collected while one transaction's payments are decided on, written at its end."""

    def __init__(self) -> None:
        self._facts: list[Fact] = []
        self._rows: list[Found] = []
        self._changes: list[Change] = []
        self._sold: list[Sold] = []
        self._returned: set[int] = set()
        self._happened: list[HappenedFact] = []

    def flush(self, tx: Tx) -> int:
        """Write everything; corrections last, since they may be of a row just written.

        Returns of how many facts workflows will hear.
        """
        receipts.add(tx, self._facts)
        events.copy(tx, [found.row for found in self._rows if found.row])
        if self._changes:
            events.change(tx, self._changes)
        if self._sold:
            deliveries.owe(tx, self._sold)
        if self._returned:
            deliveries.reverse(tx, self._returned)
        return telling.payments(tx, self._happened)

    def fact(self, fact: Fact) -> None:
        """A line for the ledger."""
        self._facts.append(fact)

    # --- rows

    def row(self, case: Case, fact: Fact, click: Click | None, counted: str | None) -> None:
        """The row that a fact writes, if it does; `counted` is the row that counted before."""
        if fact.verdict not in _WRITES_ROWS:
            return
        item, match = case.item, case.match
        event_type, revenue = item["type"], fact.revenue
        meta = self._meta(case, fact, click)
        if fact.verdict == Verdict.DUPLICATE:
            meta["duplicate_of"], revenue = counted or fact.event_id, None
            if "amount" in item:
                meta["amount"] = item["amount"]
        elif fact.verdict == Verdict.REVERSE:
            event_type, meta["reason"] = "refund", item.get("reason") or "rejected"
        elif event_type == "refund":
            meta["reason"] = item.get("reason") or fact.state
        if event_type == "refund" and fact.verdict != Verdict.DUPLICATE:
            self._returned.add(fact.order_id)
        case.found.row = payment_row(
            item, event_type, match.campaign_id,
            item.get("source") or match.source or _SOURCES.get(fact.door),
            None if revenue is None else str(revenue), meta,
        )  # fmt: skip
        self._rows.append(case.found)

    def _meta(self, case: Case, fact: Fact, click: Click | None) -> dict[str, object]:
        item, match = case.item, case.match
        meta: dict[str, object] = dict(click.about) if click else {}
        meta |= item["meta"] | _told(case) | dict.fromkeys(fact.flags, True)
        meta["trust"] = trust_word(fact.door)
        meta["click_id"] = match.click_id or item.get("click") or item["id"]
        if case.candidates and match.campaign_id is None:
            meta["orphan"] = True
        return meta

    # --- corrections

    def corrected(self, case: Case, facts: list[Fact], payment: Payment) -> None:
        """A more trusted amount takes the place of the one that was counted."""
        patch = {**_told(case), "trust": trust_word(case.report.door)}
        self._change(_counting(facts, payment), patch, revenue=payment.revenue, without=_OF_AMOUNT)

    def found_payment(self, facts: list[Fact], known: Iterable[Payment], refund: Payment) -> None:
        """A refund that came before its payment is an orphan no more."""
        patch: dict[str, object] = (
            {"excess": True} if excess(known, refund.receipt, refund.role) else {}
        )
        self._change(_counting(facts, refund), patch, without=["orphan"])

    def hand_down(self, order: OrderRow, facts: list[Fact]) -> None:
        """An order's campaign and click to its rows that have none yet."""
        patch: dict[str, object] = {"click_id": order.click_id} if order.click_id else {}
        for fact in facts:
            if fact.verdict not in _WRITES_ROWS:
                continue
            if fact.campaign_id is None:
                without = [] if "orphan" in fact.flags else ["orphan"]
                self._change(fact, patch, campaign=order.campaign_id, without=without)
            elif patch and fact.click_id is None and fact.campaign_id == order.campaign_id:
                self._change(fact, patch)

    def _change(
        self, fact: Fact | None, patch: dict[str, object], *, revenue: Decimal | None = None,
        campaign: str | None = None, without: Iterable[str] = (),
    ) -> None:  # fmt: skip
        if fact is None:
            return
        named = not (fact.receipt.startswith("click:") or fact.receipt == fact.event_id)
        event_type = "refund" if fact.verdict == Verdict.REVERSE else fact.type
        self._changes.append(
            Change(
                fact.user_id, fact.created_at, event_type, fact.receipt if named else None,
                fact.role or None, None if revenue is None else str(revenue), campaign,
                orjson.dumps(patch).decode(), list(without),
            )
        )  # fmt: skip

    # --- what is owed

    def sell(
        self, order: OrderRow, payment: Payment, known: Iterable[Payment], buyer: str | None
    ) -> None:
        """Owe what a trusted sale owes, unless it was taken back before."""
        if payment.type != "conversion" or order.campaign_id is None:
            return
        if any(one.type == "refund" and one.receipt == payment.receipt for one in known):
            return
        self._sold.append(
            Sold(
                order.user_id, order.campaign_id, order.id, payment.receipt, payment.event_id,
                buyer,
            )
        )  # fmt: skip

    def happen(self, case: Case, fact: Fact, payment: Payment, click: Click | None) -> None:
        """Tell of a payment that has become certain, or of a sale that a trusted word rejects.

        A payment happens once: later corrections are no news.
        """
        if not is_trusted(fact.door):
            return
        is_reversal = fact.verdict == Verdict.REVERSE
        revenue = fact.revenue if is_reversal else payment.revenue
        meta = self._meta(case, fact, click)
        if is_reversal or payment.type == "refund":
            meta["reason"] = case.item.get("reason") or fact.state
        self._happened.append(
            happened.payment(
                case, "refund" if is_reversal else payment.type,
                case.item["id"] if is_reversal else payment.event_id,
                None if revenue is None or "no_rate" in fact.flags else str(revenue),
                case.item.get("source") or case.match.source or _SOURCES.get(fact.door), meta,
            )
        )  # fmt: skip


def _told(case: Case) -> dict[str, object]:
    """What the metadata of a payment's row says beyond the item's own."""
    told: dict[str, object] = dict(case.meta)
    if case.named:
        told["receipt"] = case.report.receipt
    if case.report.role:
        told["role"] = case.report.role
    return told


def _counting(facts: list[Fact], payment: Payment) -> Fact | None:
    """The fact that wrote the row which counts for a payment now."""
    return next(
        (one for one in facts if one.event_id == payment.event_id and one.item_id == payment.row),
        None,
    )
