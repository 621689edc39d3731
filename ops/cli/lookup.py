"""Finding what a command names: users by e-mail or id, campaigns by tracking id or id."""

from uuid import UUID

from base.errors import Misused
from db import campaigns, integrations, users, workflow_rows
from db.campaigns import CampaignRow
from db.connection import Tx
from db.integrations import ListedIntegration
from db.users import UserRow
from db.workflow_rows import LEAST_DIGITS, WorkflowRow

_MOST_ALIKE = 100


def user(tx: Tx, who: str) -> UserRow:
    """The user with this e-mail or id; raises `Misused` when there is none."""
    # Other applications may have stored an e-mail in whatever case it was typed.
    found = users.find(tx, who.strip()) or users.find(tx, who.strip().lower())
    if found is None:
        raise Misused(f"There is no user {who!r}: `hopfleet users list` shows them.")
    return found


def campaign(tx: Tx, which: str) -> CampaignRow:
    """The campaign with this tracking id or id; raises `Misused` when there is none."""
    found = campaigns.find(tx, which.strip())
    if found is None:
        raise Misused(f"There is no campaign {which!r}: `hopfleet campaigns list` shows them.")
    return found


def integration(tx: Tx, which: str) -> ListedIntegration:
    """The integration with this id, or this key in its address; `Misused` when there is none."""
    typed = which.strip().rpartition("/")[2].partition("?")[0]  # a whole address will do
    found = integrations.by_key(tx, typed) if integrations.well_formed(typed) else None
    if found is None and not integrations.well_formed(typed):
        found = integrations.show(tx, uuid(typed, "integration"))
    if found is None:
        raise Misused("There is no such integration: `hopfleet integrations list` shows them.")
    return found


def workflow(tx: Tx, which: str, user: str | None = None) -> WorkflowRow:
    """The workflow with this id, the first digits of one, or name; `Misused` when it is not one.

    With a `user`, only that user's are looked at.
    """
    typed = which.strip()
    owner = None if user is None else _user(tx, user)
    digits = typed.replace("-", "").lower()
    is_id = LEAST_DIGITS <= len(digits) <= 32 and not digits.strip("0123456789abcdef")
    found = [
        row
        for row in workflow_rows.named(tx, digits if is_id else "", typed, _MOST_ALIKE)
        if owner in (None, row.user_id)
    ]
    if not found:
        raise Misused(
            f"There is no workflow {typed[:100]!r}: `hopfleet workflows list` shows them."
        )
    if len(found) > 1:
        ids = ", ".join(str(row.id) for row in found[:3]) + (", …" if len(found) > 3 else "")
        raise Misused(f"{typed[:100]!r} may be several workflows, {ids}: say which by its id.")
    return found[0]


def _user(tx: Tx, who: str) -> UUID:
    return user(tx, who).id


def uuid(text: str, noun: str) -> UUID:
    """An id as it was typed; raises `Misused` for anything else."""
    try:
        return UUID(text)
    except ValueError:
        raise Misused(
            f"{text!r} is no id of a {noun}: it looks like"
            " 0190aa00-0000-7000-8000-000000000000, `list` shows it."
        ) from None
