"""`campaigns.settings`: one shape with defaults, whoever wrote the row."""

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

ReferrerPolicy = Literal[
    "no-referrer",
    "no-referrer-when-downgrade",
    "origin",
    "origin-when-cross-origin",
    "same-origin",
    "strict-origin",
    "strict-origin-when-cross-origin",
    "unsafe-url",
]
REFERRER_POLICIES: frozenset[str] = frozenset(get_args(ReferrerPolicy))

MOST_ATTRIBUTION_DAYS = 3650


class CampaignSettings(BaseModel):
    """What a campaign may set; keys of other applications are left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    fallback_url: str | None = Field(
        None, max_length=8192, description="Where visitors go while the campaign is paused."
    )
    pass_through: bool = Field(
        False, description="Whether other request parameters are added to the destination."
    )
    referrer_policy: ReferrerPolicy | None = Field(
        None, description="The Referrer-Policy header of the redirect."
    )
    respect_gpc: bool | None = Field(
        None, description="Whether Sec-GPC and DNT are honoured; null: as the installation says."
    )
    attribution_days: int | None = Field(
        None,
        ge=1,
        le=MOST_ATTRIBUTION_DAYS,
        description="How many days after a click a sale still counts for it; null: for ever.",
    )


DEFAULTS = CampaignSettings()


def read(settings: Any) -> CampaignSettings:
    """The settings of a row; never raises: a field that does not fit gets its default."""
    if not isinstance(settings, dict) or not settings:
        return DEFAULTS
    ours = {name: settings[name] for name in CampaignSettings.model_fields if name in settings}
    try:
        return CampaignSettings.model_validate(ours) if ours else DEFAULTS
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            ours.pop(str(fault["loc"][0]), None)
        return CampaignSettings.model_validate(ours)
