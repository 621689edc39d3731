"""Which dead letters a command means: by their addresses, or by what was wrong with them."""

import re
from typing import Annotated, NamedTuple
from uuid import UUID

import typer

from base.errors import Misused
from db import letters
from db.connection import Tx
from db.letters import NOUNS, Which
from ops.cli import entry, lookup

_ADDRESS = re.compile(r"([a-z_]{1,20}):([0-9]{1,18})")

Addresses = Annotated[
    list[str] | None, typer.Argument(metavar="NOUN:ID", help="As `dead list` shows them.")
]
Noun = Annotated[str | None, typer.Option(help=" | ".join(NOUNS))]
Kind = Annotated[
    str | None, typer.Option("--kind", "--queue", help="Only of this kind, such as clicks.")
]
Reason = Annotated[str | None, typer.Option(help="Only those that died of this.")]
User = Annotated[str | None, typer.Option(help="Only of this user, by e-mail or id.")]
Campaign = Annotated[str | None, typer.Option(help="Only of this campaign, by tracking id or id.")]
Since = Annotated[str | None, typer.Option(help="Only from then on: 2h, 3d, 2026-05-01T12:00Z.")]
To = Annotated[str | None, typer.Option("--to", help="Only before then.")]
Error = Annotated[str | None, typer.Option(help="Only those with this text in their error.")]
All = Annotated[bool, typer.Option("--all", help="All there are.")]
Most = Annotated[int | None, typer.Option("--limit", min=1, help="The newest so many at most.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell how many that would be.")]


class Address(NamedTuple):
    """One letter."""

    noun: str
    id: int

    def __str__(self) -> str:
        return f"{self.noun}:{self.id}"


class Asked(NamedTuple):
    """What was typed to find letters by; None where nothing was."""

    noun: str | None = None
    kind: str | None = None
    reason: str | None = None
    user: str | None = None
    campaign: str | None = None
    since: str | None = None
    to: str | None = None
    error: str | None = None

    def nouns(self) -> list[str]:
        """The nouns meant, in their order."""
        return list(NOUNS) if self.noun is None else [entry.one_of(self.noun, [*NOUNS], "--noun")]

    def which(self, tx: Tx) -> Which:
        """The same with what it names looked up; raises `Misused`."""
        return Which(
            self.kind,
            self.reason,
            None if self.user is None else _id(self.user) or lookup.user(tx, self.user).id,
            None if self.campaign is None
            else _id(self.campaign) or lookup.campaign(tx, self.campaign).id,
            None if self.since is None else entry.moment(self.since, "--since"),
            None if self.to is None else entry.moment(self.to, "--to"),
            self.error,
        )  # fmt: skip


def _id(text: str) -> UUID | None:
    """Letters outlive what they belong to: an id need not be anybody's any more."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def address(text: str) -> Address:
    """An address as it was typed."""
    found = _ADDRESS.fullmatch(text.strip())
    if found is None or found[1] not in NOUNS:
        raise Misused(
            f"{text!r} is no address of a dead letter: it looks like event:123, and its noun is"
            f" one of {', '.join(NOUNS)}."
        )
    return Address(found[1], int(found[2]))


def none(which: Address) -> Misused:
    """There is no such letter."""
    return Misused(f"There is no dead letter {which}: `hopfleet dead list` shows them.")


class Chunk(NamedTuple):
    """Some letters of one noun."""

    noun: str
    ids: list[int]


def named(addresses: list[str]) -> list[Chunk]:
    """The letters with these addresses, noun by noun."""
    ids: dict[str, list[int]] = {}
    for one in dict.fromkeys(map(address, addresses)):
        ids.setdefault(one.noun, []).append(one.id)
    return [Chunk(noun, of) for noun, of in ids.items()]


def counted(tx: Tx, asked: Asked, limit: int | None) -> int:
    """How many letters are meant."""
    which = asked.which(tx)
    found = sum(letters.count(tx, noun, which) for noun in asked.nouns())
    return found if limit is None else min(found, limit)
