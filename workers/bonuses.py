"""Bonuses: claims are held against sales, links are issued, mails are handed over."""

from dramatiq import Broker, Middleware, Worker

from base.errors import Permanent
from base.logs import log
from base.sealing import unseal
from base.settings import settings
from db import downloads, handing
from db.connection import Tx, transaction
from db.handing import Done, DueLink
from rules import emails
from schemas import bonuses
from workers import bonus_claims, controls, inbox
from workers.broker import actor
from workers.mailing import Mailing
from workers.mails import lane_of
from workers.outcome import Found, Outcome
from workers.queues import Queue
from workers.stopping import stopping

LINKS = 1_000
LIMIT_SECONDS = 15.0
_MOST_BATCHES = 50  # a run; the sweep comes back within a second

mailing = Mailing()


@actor("bonuses.match", queue=Queue.BONUSES, time_limit_seconds=60)
def match() -> None:
    """Hold claims that are due against what was sold."""
    bonus_claims.match()


@actor("bonuses.link", queue=Queue.BONUSES, time_limit_seconds=60)
def link() -> None:
    """Issue all links that are due, many in a transaction: nobody else is asked."""
    for _ in range(_MOST_BATCHES):
        if stopping() or not controls.may_claim(Queue.BONUSES):
            return
        with transaction(limit_seconds=LIMIT_SECONDS) as tx:
            rows = handing.due_links(tx, LINKS)
            _issue(tx, rows)
        if len(rows) < LINKS:
            return


def _issue(tx: Tx, rows: list[DueLink]) -> None:
    done, gone, sealed = [], [], []
    for row in rows:
        if not row.exists:
            gone.append(row.id)
            continue
        try:
            address = unseal(row.address or b"", settings()).decode()
        except (Permanent, UnicodeDecodeError) as error:
            log().warning("address.unreadable", id=row.id, reason=str(error))
            sealed.append(row.id)
            continue
        digest = emails.digest(settings().secret, address)
        done.append(Done(row.id, digest, lane_of(bonuses.read(row.metadata))))
    handing.issued(tx, done)
    if gone:
        handing.drop_links(tx, gone, "bonus_gone")
    if sealed:
        handing.drop_links(tx, sealed, "unsendable", dead=True)


@actor("bonuses.mail", queue=Queue.BONUSES, time_limit_seconds=10)
def mail() -> None:
    """Have the thread that sends look for mails that are due."""
    mailing.wake()


def take_downloads(tx: Tx, found: list[Found], outcome: Outcome) -> list[Found]:
    """Count what doors told of followed links."""
    told = [one for one in found if type(one.item["meta"].get("delivery")) is int]
    downloads.add(tx, [one.item["meta"]["delivery"] for one in told])
    outcome.end(told, "stored")
    for one in found:
        if one not in told:
            outcome.bury(one, "unreadable", "no download: it names no delivery")
    return []


inbox.TAKES["download"] = take_downloads


class Postman(Middleware):
    """Lets mails that are on their way arrive before the process ends."""

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        mailing.stop()
