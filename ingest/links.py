"""Links, keys and integrations as the doors use them: all that can be decided beforehand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from base.sealing import unseal
from base.settings import Settings
from rules.destination import Template, compile_link
from rules.postbacks import Reading, reading
from rules.tracking import decide
from schemas import campaigns, integrations


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


@dataclass(frozen=True, slots=True)
class Integration:
    """A network's integration as the doors use it."""

    id: str
    user_id: str
    campaign_id: str | None
    network: str
    settings: dict[str, Any]
    secrets: dict[str, str]  # opened; never logged
    user_status: str
    reading: Reading  # of its postbacks


def integration_compiler(chosen: Settings) -> Callable[[dict[str, Any]], Integration]:
    """A function from an integration's row to an `Integration`, its secrets opened."""

    def compile_row(row: dict[str, Any]) -> Integration:
        secrets = orjson.loads(unseal(bytes.fromhex(row["sealed"]), chosen))
        return Integration(
            row["id"], row["user_id"], row["campaign_id"], row["network"], row["settings"],
            secrets, row["user_status"],
            reading(row["network"], integrations.read(row["settings"])),
        )  # fmt: skip

    return compile_row
