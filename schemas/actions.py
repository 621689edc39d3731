"""Actions: what the steps of a workflow do, and what each of them takes.

In JSON a step is an object with one action's name as its key, and what every step may have beside
it: `name`, `if`, `on_error`, `retry`. Any text may hold templates, `{{ path }}`.
"""

import difflib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from schemas.triggers import event_word

_DAY = 86400
_YEARS = 3 * 366 * _DAY
Template = Annotated[str, Field(max_length=65_536)]
Short = Annotated[str, Field(min_length=1, max_length=2_000)]
Expressions = (
    Annotated[list[Any] | dict[str, Any], Field(max_length=50)]
    | Annotated[str, Field(max_length=2_000)]
)
Unknown = Literal["retry", "fail", "ask"]
Steps = Annotated[list["Step"], Field(max_length=100)]


class Args(BaseModel):
    """What an action takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class HttpRequest(Args):
    """Ask a server on the internet something, or tell it."""

    url: Short
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] | None = None
    headers: dict[str, Template] = Field({}, max_length=50)
    json_: Any = Field(None, alias="json")
    form: dict[str, Any] | None = None
    body: Template | None = None
    sign: bool | Short = Field(False, description="Sign it with the secret `webhook`, or this one.")
    on_unknown: Unknown = Field("retry", description="When nobody can say whether it was received.")
    timeout_seconds: float = Field(15, gt=0, le=120, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_body(self) -> "HttpRequest":
        given = [self.json_ is not None, self.form is not None, self.body is not None]
        if sum(given) > 1:
            raise ValueError("give one of json, form and body")
        return self


class SendEmail(Args):
    """Send a mail."""

    to: Short
    subject: Short
    text: Template
    html: Template | None = None
    on_unknown: Unknown = "retry"
    timeout_seconds: float = Field(30, gt=0, le=120, allow_inf_nan=False)


class Notify(Args):
    """Tell the owner, by mail or at an address of theirs."""

    channel: Literal["mail", "webhook"] = "mail"
    url: Short | None = None
    subject: Short | None = None
    text: Template

    @model_validator(mode="after")
    def _with_url(self) -> "Notify":
        if (self.channel == "webhook") != (self.url is not None):
            raise ValueError("a webhook needs `url`, and nothing else has one")
        return self


class SetCampaignStatus(Args):
    """Pause, resume or complete a campaign."""

    campaign: Short | None = Field(None, description="Id or tracking id; null: the run's own.")
    status: Literal["draft", "active", "paused", "completed"]


class CreateContent(Args):
    """Write content."""

    type: Annotated[str, Field(min_length=1, max_length=50)]
    title: Annotated[str, Field(max_length=500)] | None = None
    body: Template
    campaign: Short | None = None
    metadata: dict[str, Any] | None = None
    status: Literal["draft", "published"] = "draft"


class PublishContent(Args):
    """Publish content."""

    content: Short


class ScheduleContent(Args):
    """Have content published at a time."""

    content: Short
    at: Short


class DeliverBonus(Args):
    """Owe the buyer of a sale a bonus of its campaign."""

    receipt: Short
    bonus: Short | None = Field(None, description="A bonus's id or name; null: all active ones.")


class SyncProducts(Args):
    """Fetch the product catalogue."""


class RecordNote(Args):
    """Write a note down."""

    text: Template


class Wait(Args):
    """Wait for a while, until a time, or for an event."""

    seconds: float = Field(0, ge=0, le=_YEARS, allow_inf_nan=False)
    minutes: float = Field(0, ge=0, le=_YEARS / 60, allow_inf_nan=False)
    hours: float = Field(0, ge=0, le=_YEARS / 3600, allow_inf_nan=False)
    days: float = Field(0, ge=0, le=_YEARS / _DAY, allow_inf_nan=False)
    until: Short | None = None
    event: Annotated[str, BeforeValidator(event_word), Field(max_length=50)] | None = None
    where: list[Annotated[str, Field(max_length=2000)]] = Field([], max_length=50)
    timeout_seconds: float = Field(7 * _DAY, gt=0, le=_YEARS, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_kind(self) -> "Wait":
        given = [self.total_seconds > 0, self.until is not None, self.event is not None]
        if sum(given) != 1:
            raise ValueError("give a duration, or `until`, or `event`")
        return self

    @property
    def total_seconds(self) -> float:
        """The duration."""
        return self.seconds + 60 * self.minutes + 3600 * self.hours + _DAY * self.days


class Branch(Args):
    """Do one thing or another."""

    if_: Expressions = Field(alias="if")
    then: Steps = []
    else_: Steps = Field([], alias="else")


class ForEach(Args):
    """Do the same for each of several items."""

    items: list[Any] | Template
    as_: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")] = Field("item", alias="as")
    do: Steps
    max: int = Field(100, ge=1, le=1_000)


class RunWorkflow(Args):
    """Start another workflow."""

    workflow: Short
    input: dict[str, Any] = {}


ACTIONS: dict[str, type[Args]] = {
    "http_request": HttpRequest,
    "send_email": SendEmail,
    "notify": Notify,
    "set_campaign_status": SetCampaignStatus,
    "create_content": CreateContent,
    "publish_content": PublishContent,
    "schedule_content": ScheduleContent,
    "deliver_bonus": DeliverBonus,
    "sync_products": SyncProducts,
    "record_note": RecordNote,
    "wait": Wait,
    "branch": Branch,
    "for_each": ForEach,
    "run_workflow": RunWorkflow,
}
# What any step may have beside its action.
BESIDE = frozenset({"name", "if", "on_error", "retry"})


class Retry(BaseModel):
    """How often a step is tried, and how long after a failure; null: longer each time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attempts: int = Field(5, ge=1, le=20)
    seconds: float | None = Field(None, ge=0, le=_DAY, allow_inf_nan=False)


class Step(BaseModel):
    """One step; `args` is what its action takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")] | None = None
    action: str
    args: Any
    if_: Expressions | None = Field(None, alias="if")
    on_error: Literal["fail", "continue"] | Steps = "fail"
    retry: Retry | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_action(cls, told: Any) -> Any:
        if isinstance(told, Step):
            return told
        if not isinstance(told, dict):
            raise ValueError("a step is an object such as {record_note: {text: …}}")
        if "action" in told and "args" in told:
            return told
        given = [name for name in told if name not in BESIDE]
        unknown = [name for name in given if name not in ACTIONS]
        if unknown:
            near = difflib.get_close_matches(str(unknown[0]), [*ACTIONS, *BESIDE], 1)
            hint = f": did you mean {near[0]}?" if near else f"; there are {', '.join(ACTIONS)}"
            raise ValueError(f"there is no action {str(unknown[0])[:50]!r}{hint}")
        if len(given) != 1:
            said = " and ".join(given) or "none"
            raise ValueError(f"a step has one action; there is {said}")
        beside = {name: told[name] for name in told if name in BESIDE}
        return {**beside, "action": given[0], "args": told[given[0]]}

    @model_validator(mode="wrap")
    @classmethod
    def _with_args(cls, told: Any, handler: Any) -> "Step":
        step: Step = handler(told)
        if isinstance(step.args, Args):
            return step
        args = step.args if step.args is not None else {}
        return step.model_copy(update={"args": ACTIONS[step.action].model_validate(args)})


Branch.model_rebuild()
ForEach.model_rebuild()
