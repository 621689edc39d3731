"""What `doctor` looks at in the journal's Redis, and whether the broker answers."""

from collections.abc import Iterator

from base.clock import wall_ms
from base.errors import HopfleetError, Misused
from base.settings import settings
from journal import facts
from journal.facts import JournalFacts
from ops.cli import filling
from ops.cli.doctor_database import clock
from ops.cli.findings import Finding, broken, warning, well
from workers.attendance import BrokerAway

LEAST = {"Redis": (7, 2), "Valkey": (8,)}
BUDGET_SECONDS = 2.5  # so that its own sentence comes before the doctor's


def check_journal() -> Iterator[Finding]:
    """Reachable, new enough, on disk before it answers, and its clock."""
    url = settings().journal
    try:
        found = facts.ask(url, BUDGET_SECONDS)
    except ValueError:
        raise Misused("HOPFLEET_JOURNAL_URL is no address: try redis://host:6379/0.") from None
    except HopfleetError as error:
        raise HopfleetError(
            f"{error} Start the journal's Redis, or correct HOPFLEET_JOURNAL_URL; until then doors"
            " keep events in the spool."
        ) from error
    yield _version(found)
    yield _trust(found)
    yield clock("journal clock", (found.time_ms - wall_ms()) / 1000)


def _version(found: JournalFacts) -> Finding:
    name = f"{found.product} {'.'.join(map(str, found.version)) or 'of unknown version'}"
    least = LEAST[found.product]
    if found.version and found.version < least:
        wanted = ".".join(map(str, least))
        return broken("journal", f"{name} is too old: use {found.product} {wanted} or newer.")
    return well("journal", f"{name} answers.")


def _trust(found: JournalFacts) -> Finding:
    if found.doubt is None:
        return well("journal on disk", "It has every event on disk before it answers.")
    if settings().allow_volatile_redis:
        return warning(
            "journal on disk",
            f"It may lose events in a crash ({found.doubt}), which"
            " HOPFLEET_ALLOW_VOLATILE_REDIS permits.",
        )
    return broken(
        "journal on disk",
        f"It may lose events in a crash ({found.doubt}), so doors refuse it: correct that, or"
        " permit it with HOPFLEET_ALLOW_VOLATILE_REDIS=1.",
    )


def check_broker() -> Iterator[Finding]:
    """Reachable; its absence only slows work down."""
    # The broker is made on import, from settings that may be missing.
    from workers.broker import broker

    try:
        yield well("broker", broker.describe())
    except BrokerAway as error:
        yield broken(
            "broker",
            f"It takes no messages ({error}): start it, give it memory, or correct"
            " HOPFLEET_BROKER_URL or HOPFLEET_REDIS_URL; until then nothing is worked on.",
        )


def check_room() -> Iterator[Finding]:
    """How long the journal and the spools here have room for what comes in."""
    for left in filling.read():
        if left.soon():
            yield warning(
                f"{left.what} room",
                f"{left.says()} Start more workers where `hopfleet queues` shows depth, or give it"
                " more room.",
            )
        else:
            yield well(f"{left.what} room", left.says())
