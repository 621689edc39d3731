"""What `doctor` looks at of bonuses: whether what is owed can be sent at all."""

from collections.abc import Iterator

from base.errors import Misused
from base.settings import settings
from db import handing
from integrations.buckets import bucket_of
from integrations.smtp import server_of
from ops.cli.database import transaction
from ops.cli.findings import Finding, broken, warning, well

OLD_SECONDS = 600


def check() -> Iterator[Finding]:
    """All of it; raises one sentence when a store is away."""
    with transaction() as tx:
        mails, late = handing.unsent(tx, OLD_SECONDS)
    yield _server(mails)
    if late:
        yield warning(
            "bonuses",
            f"{late:,} mails wait for longer than {OLD_SECONDS // 60} minutes: `hopfleet"
            " conversions show RECEIPT` says what their server answers.",
        )
    if settings().s3 is not None:
        try:
            yield well("S3", f"Files of bonuses may be in the bucket {bucket_of(settings().s3)}.")
        except Misused as error:
            yield broken("S3", str(error))


def _server(mails: int) -> Finding:
    url = settings().smtp
    if url is None and mails:
        return broken(
            "mail server",
            f"{mails:,} mails of bonuses wait, and none is set:"
            " HOPFLEET_SMTP_URL=smtp://user:password@host:587?starttls=1.",
        )
    if url is None:
        return well("mail server", "None is set, and none is needed so far.")
    try:
        return well("mail server", f"Bonuses are mailed by {server_of(url).name}.")
    except Misused as error:
        return broken("mail server", str(error))
