"""`hopfleet integrations`: networks that report payments, each with an address of its own."""

from typing import Annotated, Any, NamedTuple

import typer

from base.errors import Misused
from base.settings import settings
from db import integrations
from db.connection import Tx
from db.integrations import ListedIntegration
from db.paging import Place, place
from ops.cli import integration_settings as told
from ops.cli import lookup, output
from ops.cli.database import transaction
from ops.cli.entry import text
from ops.cli.integration_test import try_out
from rules.networks import TEMPLATES

CLICKBANK = "clickbank"
_POSTBACK = "postback"  # another name for the generic template

app = typer.Typer()
app.command("test")(try_out)

Which = Annotated[str, typer.Argument(metavar="INTEGRATION", help="Its id, or the key in its URL.")]


class Shown(NamedTuple):
    """An integration as it is listed; without a secret, but with its address."""

    id: str
    network: str
    name: str
    user_id: str
    campaign_id: str | None
    url: str | None
    settings: Any
    disabled_at: Any
    created_at: Any


@app.command()
def add(
    network: Annotated[
        str,
        typer.Argument(metavar="NETWORK", help=f"{' | '.join(TEMPLATES)}; postback means generic."),
    ],
    user: Annotated[str, typer.Option(metavar="USER", help="The user's e-mail or id.")],
    campaign: Annotated[
        str | None, typer.Option(help="Whose payments these are, when no click says so.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Shown to people [the network's]")] = None,
    secret: told.Secret = None,
    api_key: told.ApiKey = None,
    hmac_secret: told.HmacSecret = None,
    nickname: Annotated[str | None, typer.Option(help="ClickBank: the account's name.")] = None,
    role: Annotated[
        str | None, typer.Option(help="ClickBank: only this role's share counts [all roles]")
    ] = None,
    template: told.Template = None,
    setting: told.Setting = None,
    allow: told.Allow = None,
    json: output.Json = False,
) -> None:
    """Add a network and show the address that it reports to."""
    kind = _network(network)
    found = told.secrets(secret, api_key, hmac_secret)
    if kind == CLICKBANK and "secret" not in found:
        raise Misused(
            "ClickBank needs --secret, the account's secret key (or --secret - on stdin)."
        )
    changes = told.chosen(template, setting or [], allow, is_signed="hmac" in found)
    given = {"nickname": nickname, "role": role and role.upper()}
    changes |= {name: value for name, value in given.items() if value is not None}
    shape = told.merged(None, changes)
    _check_secrets(kind, shape, found)
    title = text(name or nickname or kind, "--name", 255, least=1)
    key = integrations.mint()
    with transaction() as tx:
        owner = lookup.user(tx, user)
        made = integrations.add(
            tx, owner.id, kind, title, key, told.sealed({"key": key, **found}), shape,
            _campaign(tx, campaign, owner.id),
        )  # fmt: skip
    if json:
        output.print_json({"key": key, "url": url(kind, key), "id": made})
        return
    output.say(url(kind, key))
    output.note(_how(kind, key, str(made)))


def _network(typed: str) -> str:
    kind = typed.strip().lower()
    if kind == "stripe":
        raise Misused("Stripe has no key here: set HOPFLEET_STRIPE_WEBHOOK_SECRETS instead.")
    if kind == _POSTBACK:
        return "generic"
    if kind not in TEMPLATES:
        known = ", ".join((*TEMPLATES, _POSTBACK))
        raise Misused(
            f"There is no template {typed[:50]!r}: take one of {known}, with --template for your"
            " own parameters."
        )
    return kind


def _check_secrets(network: str, shape: dict[str, Any], found: dict[str, str]) -> None:
    if network == CLICKBANK and "secret" not in found:
        raise Misused("ClickBank needs --secret, the account's secret key; - reads it from stdin.")
    if "hmac" in shape and "hmac" not in found:
        raise Misused("Signed reports need --hmac-secret, with which the network signs them.")


def _campaign(tx: Tx, which: str | None, owner: Any) -> Any:
    if which is None:
        return None
    found = lookup.campaign(tx, which)
    if found.user_id != owner:
        raise Misused(f"The campaign {which!r} is another user's.")
    return found.id


def url(network: str, key: str) -> str:
    """The address a network reports to."""
    door = "webhooks/clickbank" if network == CLICKBANK else "postback"
    return f"{settings().url}/{door}/{key}"


def _how(network: str, key: str, made: str) -> str:
    """How to go on, for people."""
    lines = [f"Whoever knows it can report payments; another key: integrations rotate {made}"]
    if network == CLICKBANK:
        lines.insert(0, "Enter it at ClickBank as instant notification URL, version 8, then press"
                     f" Test; or: hopfleet integrations test {made}")  # fmt: skip
    if link := TEMPLATES[network].link:
        lines.insert(0, f"As postback: {settings().url}/postback/{key}{link}")
    return "\n".join(lines)


@app.command("list")
def list_(
    user: Annotated[str | None, typer.Option(metavar="USER", help="Only this user's.")] = None,
    limit: output.Limit = 50,
    after: output.After = None,
    json: output.Json = False,
) -> None:
    """Show integrations, newest first, disabled ones too; secrets are never shown."""
    with transaction() as tx:
        owner = lookup.user(tx, user).id if user else None
        rows = integrations.page(tx, owner, limit + 1, place(after))
    page = rows[:limit]
    more = str(Place(page[-1].created_at, page[-1].id)) if len(rows) > limit else None
    columns = ("id", "network", "name", "url", "disabled_at", "created_at")
    none = "No integrations yet: `hopfleet integrations add clickbank --user E --secret S`."
    output.print_page(json, [_shown(row) for row in page], more, columns, none)


def _shown(row: ListedIntegration) -> Shown:
    key = told.opened(row.sealed).get("key")
    return Shown(
        str(row.id), row.network, row.name, str(row.user_id),
        None if row.campaign_id is None else str(row.campaign_id),
        None if key is None else url(row.network, key), row.settings, row.disabled_at,
        row.created_at,
    )  # fmt: skip


@app.command("set")
def set_(
    integration: Which,
    template: told.Template = None,
    setting: told.Setting = None,
    allow: told.Allow = None,
    json: output.Json = False,
) -> None:
    """Change how its reports are read, answered and trusted; acts within two seconds."""
    changes = told.chosen(template, setting or [], allow, is_signed=False)
    if not changes:
        raise Misused("Nothing to set: give --setting, --template or --allow.")
    with transaction() as tx:
        row = lookup.integration(tx, integration)
        shape = told.merged(row.settings, changes)
        _check_secrets(row.network, shape, told.opened(row.sealed))
        integrations.set_settings(tx, row.id, shape)
    if json:
        output.print_json({"id": row.id, "settings": shape})
    else:
        output.print_fields({"id": row.id, **shape})


@app.command()
def rotate(
    integration: Which,
    secret: told.Secret = None,
    api_key: told.ApiKey = None,
    hmac_secret: told.HmacSecret = None,
    keep_key: Annotated[
        bool, typer.Option("--keep-key", help="Leave the address; only other secrets.")
    ] = False,
    json: output.Json = False,
) -> None:
    """Give it another key, and other secrets if named; the key before stops within two seconds."""
    found = told.secrets(secret, api_key, hmac_secret)
    if keep_key and not found:
        raise Misused("--keep-key needs a secret to change: --secret, --api-key, --hmac-secret.")
    with transaction() as tx:
        row = lookup.integration(tx, integration)
        before = told.opened(row.sealed)
        if keep_key and "key" not in before:
            raise Misused(
                "Its secrets were sealed with another HOPFLEET_SECRET_KEY: rotate without"
                " --keep-key, and name all of its secrets."
            )
        shape = told.merged({"hmac": {}} if "hmac" in found else None, row.settings or {})
        _check_secrets(row.network, shape, before | found)
        key = before["key"] if keep_key else integrations.mint()
        integrations.rotate(tx, row.id, key, told.sealed({**before, **found, "key": key}))
        integrations.set_settings(tx, row.id, shape)
    if json:
        output.print_json({"key": key, "url": url(row.network, key), "id": row.id})
        return
    output.say(url(row.network, key))
    output.note("The address is as before." if keep_key else "Tell the network: this one counts.")


@app.command()
def disable(integration: Which, json: output.Json = False) -> None:
    """Refuse its reports from now on, within two seconds; its payments stay."""
    _switch(integration, True, json)


@app.command()
def enable(integration: Which, json: output.Json = False) -> None:
    """Take its reports again."""
    _switch(integration, False, json)


def _switch(which: str, off: bool, json: bool) -> None:
    with transaction() as tx:
        row = lookup.integration(tx, which)
        integrations.disable(tx, row.id, off)
    if json:
        output.print_json({"id": row.id, "disabled": off})
    else:
        output.say(f"{row.name} ({row.id}) is {'disabled' if off else 'enabled'}.")
