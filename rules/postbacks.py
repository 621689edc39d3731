"""What a network's postback says of a payment, by its template; pure, `Refused` for the rest."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from ipaddress import ip_network
from typing import Any
from urllib.parse import unquote_plus

from base.clock import from_ms
from base.errors import Refused
from base.ids import is_click_id
from base.settings import Networks
from rules import money
from rules.networks import TEMPLATES
from rules.text import clean
from schemas.fields import (
    CURRENCY,
    EMAIL,
    INVISIBLE,
    MOMENT,
    SOURCE_CHARACTERS,
    SUBS,
    VALUE_CHARACTERS,
)
from schemas.integrations import IntegrationSettings, State

MOST_PARAMETERS = 100
_MOST_ID_CHARACTERS = 255
_SUBS = frozenset(SUBS)
_SHOWN = 50  # of what a sender wrote, in an answer

_INVISIBLE = re.compile(f"[{INVISIBLE}\ud800-\udfff]")
# What a network sends where it had nothing to fill in.
_MACRO = re.compile(r"\{[\w. -]*\}|\[\[\[[\w. -]*\]\]\]")
_MOMENT = re.compile(MOMENT)
_UNIX = re.compile("[0-9]{10}")
_CURRENCY = re.compile(CURRENCY)
_CENTS = re.compile("[0-9]{1,10}")
_EMAIL = re.compile(EMAIL)
_ROLE = re.compile("[A-Z_]{1,20}")


@dataclass(frozen=True, slots=True)
class Reading:
    """An integration's settings over its template, made ready once."""

    settings: IntegrationSettings
    params: Mapping[str, tuple[str, ...]]
    fields: Mapping[str, tuple[tuple[str, int], ...]]  # per parameter: what it is, how preferred
    clicks: tuple[str, ...]  # parameters that may hold an id of ours, the likeliest first
    statuses: Mapping[str, State]
    unit: str
    currency: str
    allowed: Networks


@dataclass(slots=True)
class Report:
    """A payment as a network tells it. `amount` is a decimal string that is never negative."""

    type: str
    state: str | None = None  # pending, rejected, chargeback; None: approved
    reason: str | None = None
    receipt: str | None = None
    number: str | None = None
    parent: str | None = None
    clicks: list[str] = field(default_factory=list)
    tracking_id: str | None = None
    amount: str | None = None
    currency: str = "USD"
    occurred: datetime | None = None
    source: str | None = None
    role: str | None = None
    email: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)


def reading(network: str, chosen: IntegrationSettings) -> Reading:
    """How the reports of an integration are read; a template nobody knows is the generic one."""
    base = TEMPLATES.get(chosen.template or network) or TEMPLATES["generic"]
    own = {name: tuple(map(str.lower, names)) for name, names in chosen.params.items()}
    params = {**base.params, **own}
    fields: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for name, theirs in params.items():
        for rank, parameter in enumerate(theirs):
            fields[parameter].append((name, rank))
    words = {_word(word): state for word, state in chosen.statuses.items()}
    return Reading(
        chosen,
        params,
        {parameter: tuple(told) for parameter, told in fields.items()},
        tuple(one for name in ("click_id", *SUBS) for one in params.get(name, ())),
        {**base.statuses, **words},
        chosen.amount_unit or base.unit,
        chosen.currency or base.currency,
        tuple(ip_network(one) for one in chosen.allowed_networks),
    )


def parameters(*forms: bytes) -> dict[str, str]:
    """The parameters of urlencoded texts, names in lower case.

    Raises `Refused` when one is told twice and differently, for nobody could say which of them
    was meant, when there are too many, or one is no text.
    """
    found: dict[str, str] = {}
    pairs = [pair for form in forms if form for pair in form.split(b"&")]
    if len(pairs) > MOST_PARAMETERS:
        raise Refused(f"There are more than {MOST_PARAMETERS} parameters.")
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        add(found, _decoded(name), _decoded(value))
    return found


def add(found: dict[str, str], name: str, value: str) -> None:
    """One more parameter; raises `Refused` when it was told before, and differently."""
    name = name.lower()
    if name and found.setdefault(name, value) != value:
        raise Refused(f"The parameter {_shown(name)} is told twice, and differently.")


def _decoded(raw: bytes) -> str:
    try:
        if b"%" not in raw and b"+" not in raw:
            return raw.decode()
        return unquote_plus(raw.decode(), errors="strict")
    except UnicodeDecodeError:
        raise Refused("A parameter is no UTF-8 text.") from None


def report(given: Mapping[str, str], how: Reading) -> Report | None:
    """The payment that the parameters tell of; None when they tell of something else.

    Raises `Refused`, in a sentence for whoever set the network up, when a part that money
    depends on is missing or makes no sense.
    """
    said = _said(given, how)
    told = _stands(said, how)
    role = said.get("role", "").upper()
    if told is None or (role and how.settings.role and role != how.settings.role):
        return None
    found = Report(*told, currency=_currency(said, how))
    for name in ("receipt", "number", "parent"):
        setattr(found, name, _id(said, "order_id" if name == "receipt" else name))
    found.amount = _amount(said.get("amount"), how.unit, is_return=found.type == "refund")
    found.clicks = _clicks(given, how)
    if not found.clicks and found.receipt is None:
        wanted = " or ".join(dict.fromkeys((how.params["click_id"][0], how.params["order_id"][0])))
        raise Refused(f"The report names no payment: send {wanted}.")
    _tell_more(found, said)
    return found


def _said(given: Mapping[str, str], how: Reading) -> dict[str, str]:
    """Our fields as the parameters have them; of several for one field the most preferred."""
    said: dict[str, str] = {}
    ranks: dict[str, int] = {}
    for parameter, text in given.items():
        for name, rank in how.fields.get(parameter, ()) if text else ():
            if rank <= ranks.get(name, rank):
                said[name], ranks[name] = text, rank
    return said


def _stands(said: Mapping[str, str], how: Reading) -> tuple[str, str | None, str | None] | None:
    """Type, state and reason of the payment; None when it is to be ignored."""
    words = []
    for name in ("status", "event"):
        if (text := said.get(name)) and not _MACRO.fullmatch(text):
            if (state := how.statuses.get(_word(text))) is None:
                raise Refused(
                    f"{how.params[name][0]}: {_shown(text)} is no word this integration knows;"
                    " its setting `statuses` says what words mean."
                )
            words.append(state)
    if "ignored" in words:
        return None
    reason = _visible(said.get("reason"))
    for state in ("chargeback", "refund"):
        if state in words:
            return "refund", ("chargeback" if state == "chargeback" else None), reason or state
    held = next((state for state in words if state in ("rejected", "pending")), None)
    return ("rebill" if "rebill" in words else "conversion"), held, reason


@lru_cache(1024)
def _word(text: str) -> str:
    return re.sub(r"[\s-]+", "_", text[:200].strip().lower())


def _id(said: Mapping[str, str], name: str) -> str | None:
    """A receipt or number; cut or cleaned, it could be taken for another one."""
    text = said.get(name)
    if text is None:
        return None
    if _MACRO.fullmatch(text):
        if name != "order_id":
            return None
        raise Refused(f"{name}: the network did not fill in {_shown(text)}.")
    is_odd = not text.isprintable() and _INVISIBLE.search(text)
    if len(text) > _MOST_ID_CHARACTERS or is_odd:
        raise Refused(f"{name}: must be 1 to {_MOST_ID_CHARACTERS} printable characters.")
    return text


def _amount(text: str | None, unit: str, *, is_return: bool) -> str | None:
    if text is None:
        return None
    plain = text[1:] if is_return and text.startswith("-") else text
    if unit == "cents":
        if not _CENTS.fullmatch(plain):
            raise Refused("The amount must be whole cents such as 1250, below 10,000,000,000.")
        return f"{Decimal(plain) / 100:.2f}"
    head, point, tail = plain.partition(".")
    if point and len(plain) <= _SHOWN and not tail[2:].strip("0"):
        plain = f"{head}.{tail[:2]}"  # 12.5000 is exact, 12.505 is not
    money.amount(plain)
    return plain


def _currency(said: Mapping[str, str], how: Reading) -> str:
    text = said.get("currency")
    if text is None or _MACRO.fullmatch(text):
        return how.currency
    if not _CURRENCY.fullmatch(text.upper()) or len(text) != 3:
        raise Refused(f"currency: {_shown(text)} is no code of three letters such as USD.")
    return text.upper()


def _clicks(given: Mapping[str, str], how: Reading) -> list[str]:
    """Ids of ours among what the network gives back, in the template's order.

    Networks change their case and put dashes in.
    """
    told = [given[name] for name in how.clicks if name in given]
    normal = (text.replace("-", "").lower() for text in told if 32 <= len(text) <= 40)
    return list(dict.fromkeys(one for one in normal if is_click_id(one)))


def _tell_more(found: Report, said: Mapping[str, str]) -> None:
    """What is worth keeping and refuses nothing."""
    meta = found.meta
    for name in said.keys() & _SUBS:
        if not _MACRO.fullmatch(said[name]):
            meta[name] = clean(said[name], VALUE_CHARACTERS)
    if (click := said.get("click_id")) and not found.clicks and not _MACRO.fullmatch(click):
        meta["click_refused"] = clean(click, 100)
    if source := _visible(said.get("source")):
        found.source = source[:SOURCE_CHARACTERS]
    found.tracking_id = _visible(said.get("tracking_id"))
    if (role := said.get("role", "").upper()) and _ROLE.fullmatch(role):
        found.role = role
    if (email := said.get("email", "").strip()) and _EMAIL.fullmatch(email):
        found.email = email
    if text := said.get("occurred_at"):
        found.occurred = _moment(text)
        if found.occurred is None:
            meta["occurred_at_refused"] = clean(text, 100)


def _visible(text: str | None) -> str | None:
    if not text or _MACRO.fullmatch(text):
        return None
    return clean(text, _MOST_ID_CHARACTERS) or None


@lru_cache(1024)
def _moment(text: str) -> datetime | None:
    """ISO 8601 with an offset, or Unix seconds; a time without a zone would be a guess."""
    if _UNIX.fullmatch(text):
        return from_ms(int(text) * 1000)
    if not _MOMENT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _shown(text: str) -> str:
    return ascii(text[:_SHOWN])
