"""A link as the doors use it: everything that can be decided before the visitor comes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rules.destination import Template, compile_link
from rules.tracking import decide
from schemas import campaigns


@dataclass(frozen=True, slots=True)
class Link:
    """One campaign's tracking link, compiled from its row."""

    tracking_id: str
    campaign_id: str
    user_id: str
    record: bool
    campaign_status: str | None  # goes into the metadata when the campaign is not active
    template: Template | None  # None: nowhere to go, answer 404
    pass_through: bool
    headers: bytes  # of the redirect, besides Location
    respect_gpc: bool
    reason: str | None  # why nothing is recorded


def compiler(
    fallback_url: str | None, respect_gpc: bool, own_hosts: frozenset[str]
) -> Callable[[dict[str, Any]], Link]:
    """A function from a link's row to a `Link`, with this installation's defaults inside."""

    installation = compile_link(fallback_url or "", own_hosts)

    def compile_row(row: dict[str, Any]) -> Link:
        chosen = campaigns.read(row["settings"])
        link = compile_link(row["affiliate_link"] or "", own_hosts)
        own = compile_link(chosen.fallback_url or "", own_hosts)
        decision = decide(
            row["status"],
            row["user_status"],
            has_link=link is not None,
            has_fallback=own is not None,
        )
        template = link
        if decision.target == "fallback":
            account = compile_link(row["account_fallback_url"] or "", own_hosts)
            template = (own if decision.record else None) or account or installation
        headers = b"Cache-Control: no-store\r\n"
        if chosen.referrer_policy:
            headers += f"Referrer-Policy: {chosen.referrer_policy}\r\n".encode("ascii")
        return Link(
            row["tracking_id"],
            row["campaign_id"],
            row["user_id"],
            decision.record,
            decision.campaign_status,
            template,
            chosen.pass_through,
            headers,
            respect_gpc if chosen.respect_gpc is None else chosen.respect_gpc,
            decision.reason,
        )

    return compile_row


@dataclass(frozen=True, slots=True)
class Key:
    """An API key as the doors use it."""

    digest: str
    user_id: str
    scopes: frozenset[str]
    user_status: str


def compile_key(row: dict[str, Any]) -> Key:
    """A key's row, made ready."""
    return Key(row["digest"], row["user_id"], frozenset(row["scopes"]), row["user_status"])
