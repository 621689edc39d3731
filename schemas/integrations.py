"""`integrations.settings`: how a network's reports are read, answered and trusted."""

from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from schemas.fields import CURRENCY, SUBS

# What a report may say, by our names; a template tells which of the network's names mean them.
FIELDS = (
    "click_id", "tracking_id", "order_id", "number", "parent", "event", "status", "amount",
    "currency", "occurred_at", "reason", "role", "source", "email", *SUBS,
)  # fmt: skip
State = Literal["approved", "pending", "rejected", "refund", "chargeback", "rebill", "ignored"]
Duplicates = Literal["first", "update", "add", "ignore"]
Role = Literal["VENDOR", "AFFILIATE", "JV_UPSELL", "JV_TRADITIONAL"]

# What remains of a list of senders that cannot be read: a broken lock stays shut.
NOBODY = ("255.255.255.255/32",)


def _network(text: str) -> str:
    return str(ip_network(text.strip(), strict=False))


def _header_value(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise ValueError("must be printable ASCII")
    return text


def _fields_only(params: dict[str, list[str]]) -> dict[str, list[str]]:
    if unknown := sorted(set(params) - set(FIELDS)):
        raise ValueError(f"{unknown[0][:50]!a} is none of {', '.join(FIELDS)}")
    return params


Network = Annotated[str, AfterValidator(_network)]
Parameter = Annotated[str, Field(min_length=1, max_length=100)]
Names = Annotated[
    dict[str, Annotated[list[Parameter], Field(max_length=20)]], AfterValidator(_fields_only)
]
Word = Annotated[str, Field(max_length=100)]


class Signature(BaseModel):
    """How reports are signed; the secret itself is sealed, not here.

    Signed are query string and body as they are sent, without the signature's own parameter, and
    a line feed between them when there are both.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    param: Parameter = Field("signature", description="The query parameter that carries it, hex.")
    algorithm: Literal["sha256", "sha512", "sha1"] = Field("sha256", description="HMAC's hash.")


class IntegrationSettings(BaseModel):
    """What an integration may set; keys of other applications are left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    template: str | None = Field(
        None, max_length=50, description="A built-in template; null: the network's own."
    )
    params: Names = Field(
        {}, description="Per field of ours the network's parameters, the first one given counts."
    )
    statuses: dict[Word, State] = Field(
        {}, max_length=200, description="What the network's words for a payment's state mean."
    )
    amount_unit: Literal["units", "cents"] | None = Field(
        None, description="Whether amounts are `12.50` or `1250`; null: as the template says."
    )
    currency: str | None = Field(
        None, pattern=CURRENCY, description="Of amounts that name none; null: the template's."
    )
    duplicates: Duplicates = Field(
        "first",
        description="What a repeated report of one payment does: `first` keeps the most trusted"
        " amount, `update` takes the newest, `add` adds up, `ignore` changes nothing.",
    )
    answer: str = Field("OK", max_length=1000, description="The body of the door's answer.")
    answer_type: Annotated[str, AfterValidator(_header_value)] = Field(
        "text/plain; charset=utf-8", max_length=100, description="Its Content-Type."
    )
    hmac: Signature | None = Field(None, description="Null: reports are not signed.")
    allowed_networks: tuple[Network, ...] = Field(
        (), max_length=100, description="Only these senders may report (CIDR); empty: anybody."
    )
    role: Role | None = Field(
        None, description="ClickBank: only this role's share counts; null: all roles."
    )
    nickname: str | None = Field(
        None, max_length=50, description="ClickBank: the account's name; others do not count."
    )
    legacy: bool = Field(False, description="ClickBank: take form posts of INS 1 to 5, too.")


DEFAULTS = IntegrationSettings()


def read(settings: Any) -> IntegrationSettings:
    """The settings of a row; never raises.

    A field that does not fit gets its default, but one that keeps strangers out keeps everybody
    out.
    """
    if not isinstance(settings, dict) or not settings:
        return DEFAULTS
    ours = {n: settings[n] for n in IntegrationSettings.model_fields if n in settings}
    try:
        return IntegrationSettings.model_validate(ours) if ours else DEFAULTS
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            ours.pop(name := str(fault["loc"][0]), None)
            if name in ("hmac", "allowed_networks"):
                ours["allowed_networks"] = NOBODY
        return IntegrationSettings.model_validate(ours)
