"""One mail of a bonus: what it says, over which server it goes, or why it does not go."""

import base64
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from base.clock import now, wall_ms
from base.errors import Misused, Permanent
from base.sealing import unseal
from base.settings import settings
from db import attempts, handing, work
from db.attempts import Try
from db.connection import Tx
from db.deliveries import BonusDelivery
from db.handing import DueMail
from integrations.smtp import Server, server_of
from rules import bonus_links, emails, sending
from rules.bonus_links import BonusLink
from rules.mails import Mail, compose
from schemas import bonuses
from schemas.bonuses import BonusMetadata

SUSPENDED_SECONDS = 300.0
NO_SERVER_SECONDS = 60.0
_SUSPENDED = ("suspended", "canceled")


class Ready(NamedTuple):
    """A mail about to be sent; its attempt is written down."""

    due: DueMail
    attempt_id: int
    server: Server
    mail: Mail
    address: str


def ready(tx: Tx, due: Iterable[DueMail]) -> list[Ready]:
    """Those of the claimed mails that may be sent; of the others it is written why not."""
    rows = {row.id: row for row in due}
    lost = attempts.abandoned(tx, rows) if rows else set()
    unknown = attempts.unknown(tx, lost) if lost else {}
    found: dict[int, tuple[Server, Mail, str]] = {}
    for row in rows.values():
        if row.id in lost and unknown.get(row.id, 0) >= sending.MOST_UNKNOWN:
            bury(tx, row, "outcome_unknown", "the worker died twice while it sent this mail")
        elif (prepared := _prepared(tx, row)) is not None:
            found[row.id] = prepared
    tries = [
        Try(key, rows[key].attempts, rows[key].repeats, server.name)
        for key, (server, _, _) in found.items()
    ]
    begun = attempts.begin(tx, tries)
    return [Ready(rows[key], begun[key], *prepared) for key, prepared in found.items()]


def _prepared(tx: Tx, row: DueMail) -> tuple[Server, Mail, str] | None:
    if row.revoked_at is not None:
        handing.end(tx, row.id, row.attempts, "delivered" if row.delivered_at else "cancelled")
    elif row.bonus_id is None:
        handing.end(tx, row.id, row.attempts, "bonus_gone")
    elif row.user_status in _SUSPENDED:
        retry(tx, row, SUSPENDED_SECONDS, f"the account is {row.user_status}")
    else:
        try:
            address = emails.address(unseal(row.address or b"", settings()).decode())
            template = bonuses.read(row.metadata)
            server = server_for(template)
            if server is None:
                retry(tx, row, NO_SERVER_SECONDS, "HOPFLEET_SMTP_URL is not set")
                return None
            return server, _mail(row, template, server, address), address
        except Misused as error:
            retry(tx, row, NO_SERVER_SECONDS, str(error))
        except (Permanent, UnicodeDecodeError) as error:
            bury(tx, row, "unsendable", str(error))
    return None


def retry(tx: Tx, row: DueMail, seconds: float, error: str) -> None:
    """Again later."""
    work.retry(tx, BonusDelivery, row.id, row.attempts, seconds, error)


def bury(tx: Tx, row: DueMail, reason: str, error: str) -> None:
    """Never again by itself. The address stays, so that a person may have it tried again."""
    work.bury(tx, BonusDelivery, row.id, row.attempts, reason, error)


def server_for(template: BonusMetadata) -> Server | None:
    """The bonus's own server, else the installation's; raises `Misused` and `Unsealable`."""
    own, usual = template.smtp, settings().smtp
    if own is None:
        return server_of(usual) if usual else None
    password = None
    if own.sealed is not None:
        password = unseal(base64.b64decode(own.sealed), settings()).decode()
    return Server(own.host, own.port, own.security, own.user, password)


def lane_of(template: BonusMetadata) -> str | None:
    """The lane of a bonus's mails; None when there is no server for them."""
    if template.smtp is not None:
        return template.smtp.host.lower()
    return "" if settings().smtp else None


def _mail(row: DueMail, template: BonusMetadata, server: Server, address: str) -> Mail:
    values = {
        "bonus.name": row.bonus_name or "",
        "bonus.description": row.description or "",
        "campaign.name": row.campaign_name or "",
        "receipt": row.receipt,
        "link": link(row.id) if row.file_url else "",
    }
    message_id = f"bonus-{row.id}-{row.repeats}@{host()}"
    return compose(template, values, sender_of(server), address, message_id, now())


def link(delivery_id: int) -> str:
    """A new link to a delivery's file."""
    expires_at = int(wall_ms() / 1000 + settings().bonus_link_hours * 3600)
    token = bonus_links.make(settings().secret, BonusLink("delivery", delivery_id, expires_at))
    return f"{settings().url}/b/{token}"


def host() -> str:
    """The host that mails are from; a number is none that mail systems like."""
    host = urlsplit(settings().url).hostname or "localhost"
    return "localhost" if ":" in host or host.rpartition(".")[2].isdigit() else host


def sender_of(server: Server) -> str:
    """Whom mails over a server are from, unless they say otherwise."""
    if settings().mail_from:
        return str(settings().mail_from)
    if server.user and "@" in server.user:
        return server.user
    return f"no-reply@{host()}"
