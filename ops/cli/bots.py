"""`hopfleet bots`: own lists of who is a bot, and who is not."""

from pathlib import Path
from typing import Annotated, Any

import typer

from base.errors import Misused, Refused
from db import bot_rules
from ops.cli import lookup, output
from ops.cli.database import transaction
from rules import addresses
from rules.bot_lists import OWN_LIST, PERSON, BotLists, check
from rules.enrich import enrich

User = Annotated[str | None, typer.Option(metavar="USER", help="Only for this user's events.")]

app = typer.Typer()


@app.command()
def add(
    agent: Annotated[str, typer.Option(help="Text anywhere in the user agent.")] = "",
    pattern: Annotated[str, typer.Option(help="An RE2 pattern in the user agent.")] = "",
    network: Annotated[str, typer.Option(help="/24 or larger; IPv6: /48 or larger.")] = "",
    person: Annotated[bool, typer.Option("--person", help="Never a bot.")] = False,
    user: User = None,
    json: output.Json = False,
) -> None:
    """Call visitors bots, or with --person people, from now on; acts within two seconds."""
    given = {"agent": agent, "pattern": pattern, "network": network}
    chosen = [(kind, value) for kind, value in given.items() if value]
    if len(chosen) != 1:
        raise Misused("Give one of --agent, --pattern and --network.")
    kind, value = chosen[0]
    try:
        value = check(kind, value)
    except Refused as refusal:
        raise Misused(str(refusal)) from None
    verdict = PERSON if person else OWN_LIST
    with transaction() as tx:
        owner = lookup.user(tx, user).id if user else None
        rule = bot_rules.add(tx, owner, kind, value, verdict)
    if json:
        output.print_json({"id": str(rule), "kind": kind, "pattern": value, "verdict": verdict})
    else:
        output.say(f"Rule {rule}: {kind} {value} is {verdict}.")


@app.command("list")
def list_(
    user: User = None,
    limit: output.Limit = 50,
    after: output.After = None,
    json: output.Json = False,
) -> None:
    """Show the rules, in the order they were made."""
    with transaction() as tx:
        owner = lookup.user(tx, user).id if user else None
        rows = bot_rules.page(tx, owner, _number(after or "0"), limit + 1)
    page = rows[:limit]
    more = str(page[-1].id) if len(rows) > limit else None
    columns = ("id", "user_id", "kind", "pattern", "verdict", "created_at")
    output.print_page(json, page, more, columns, "No rules yet: `hopfleet bots add --agent TEXT`.")


@app.command()
def remove(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="As `bots list` shows it.")],
    json: output.Json = False,
) -> None:
    """Forget a rule, within two seconds."""
    with transaction() as tx:
        removed = bot_rules.remove(tx, _number(rule))
    if not removed:
        raise Misused(f"There is no rule {rule}: `hopfleet bots list` shows them.")
    if json:
        output.print_json({"id": rule, "removed": True})
    else:
        output.say(f"Removed {rule}.")


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="A network a line; # begins a comment.")],
    json: output.Json = False,
) -> None:
    """Make these networks the known ranges, of data centres say, in place of those before."""
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"{file} cannot be read: {error}.") from None
    found, skipped = set(), 0
    for line in lines:
        if text := line.partition("#")[0].strip():
            try:
                found.add(check("network", text))
            except Refused:
                skipped += 1
    if not found:
        raise Misused(f"{file} names no network of a /24 or larger; nothing was changed.")
    with transaction() as tx:
        bot_rules.replace_ranges(tx, sorted(found))
    if json:
        output.print_json({"loaded": len(found), "skipped": skipped})
    else:
        output.say(f"{len(found)} known ranges; {skipped} lines were no network, or too small.")


@app.command("test")
def explain(
    agent: Annotated[str | None, typer.Option(help="The visitor's user agent.")] = None,
    ip: Annotated[str | None, typer.Option(help="The visitor's address.")] = None,
    user: User = None,
    json: output.Json = False,
) -> None:
    """Say whether such a visitor is taken for a bot, and why."""
    if agent is None and ip is None:
        raise Misused("Give --agent, --ip, or both.")
    if ip is not None and addresses.parse(ip) is None:
        raise Misused(f"{ip[:50]!r} is no address.")
    meta: dict[str, Any] = {} if agent is None else {"ua": agent}
    if ip is not None:
        meta["ip"] = addresses.truncate(ip)
    with transaction() as tx:
        owner = str(lookup.user(tx, user).id) if user else ""
        own = BotLists(bot_rules.read(tx)).verdict(owner, meta.get("ua"), meta.get("ip"))
    enrich(meta, lambda _: None, own=own)
    reason = meta.get("bot")
    by = "own rules" if own else "the built-in list"
    if json:
        output.print_json({"bot": reason, "by": by if own or reason else None})
    elif reason:
        output.say(f"A bot: {reason}, by {by}.")
    else:
        output.say("A person, by own rules." if own else "A person: nothing says otherwise.")


def _number(typed: str) -> int:
    if not (typed.isascii() and typed.isdigit() and len(typed) < 19):
        raise Misused(f"{typed[:50]!r} is no number of a rule.")
    return int(typed)
