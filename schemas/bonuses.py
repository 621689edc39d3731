"""`bonuses.metadata`: one shape with defaults, whoever wrote the row."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.fields import DELIVERABLE

SUBJECT = "Your bonus: {{ bonus.name }}"
TEXT = """Hello,

thank you for your order {{ receipt }}. Here is your bonus, {{ bonus.name }}:

{{ link }}

{{ bonus.description }}
"""
_MOST_TEMPLATE = 64 * 1024


class MailServer(BaseModel):
    """A mail server of the user's own; its password is kept sealed."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    host: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9._:-]+$")
    port: int = Field(587, ge=1, le=65535)
    security: Literal["none", "starttls", "tls"] = "starttls"
    user: str | None = Field(None, max_length=320)
    sealed: str | None = Field(
        None, max_length=4096, description="The password, sealed by `hopfleet bonuses`, base64."
    )


class BonusMetadata(BaseModel):
    """How a bonus is mailed; keys of other applications are left alone.

    In templates `{{ bonus.name }}`, `{{ bonus.description }}`, `{{ campaign.name }}`,
    `{{ receipt }}` and `{{ link }}` are filled in; anything else in braces becomes nothing.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    subject: str = Field(SUBJECT, min_length=1, max_length=500, pattern=r"^[^\r\n\x00]+$")
    text: str = Field(TEXT, min_length=1, max_length=_MOST_TEMPLATE)
    html: str | None = Field(None, max_length=_MOST_TEMPLATE)
    from_name: str | None = Field(None, max_length=200, pattern=r"^[^\r\n\x00]*$")
    from_email: str | None = Field(None, max_length=255, pattern=DELIVERABLE)
    reply_to: str | None = Field(None, max_length=255, pattern=DELIVERABLE)
    smtp: MailServer | None = Field(None, description="Instead of the installation's server.")


DEFAULTS = BonusMetadata()


def read(metadata: Any) -> BonusMetadata:
    """The metadata of a row; never raises: a field that does not fit gets its default."""
    if not isinstance(metadata, dict) or not metadata:
        return DEFAULTS
    ours = {name: metadata[name] for name in BonusMetadata.model_fields if name in metadata}
    try:
        return BonusMetadata.model_validate(ours) if ours else DEFAULTS
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            ours.pop(str(fault["loc"][0]), None)
        return BonusMetadata.model_validate(ours)
