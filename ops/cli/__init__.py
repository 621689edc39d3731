"""The command line, one noun a file; a command's module is imported only when it is called.

A new noun is one line in `GROUPS` and a module of that name here with `app = typer.Typer()`. With
one command in it, `hopfleet NOUN` runs it; with several, they are its verbs.
"""

import os
import sys
from importlib import import_module
from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from base.errors import HopfleetError, Misused

# What `hopfleet --help` shows: group → name → what it does, in this order.
GROUPS = {
    "Run": {
        "up": "Start everything on this machine: stores, doors, workers, scheduler.",
        "env": "Print the settings that point other tools at a running `up`.",
        "migrate": "Bring the database to this version's tables.",
        "ingest": "Serve the doors.",
        "worker": "Work on the queues named.",
        "scheduler": "Run the clock.",
    },
    "Accounts and links": {
        "users": "Add, list, change and delete users.",
        "billing": "Show how accounts stand with Stripe, name tiers of prices, reconcile.",
        "keys": "Add, list and revoke API keys.",
        "campaigns": "Add, list, change and delete campaigns and their links.",
        "links": "Show the addresses of a campaign, ready to be pasted.",
        "products": "Keep ClickBank's catalogue in sync; search it, and see what changed.",
        "events": "Watch events arrive, or import them from access logs.",
        "bots": "Say who is a bot and who is not: own user agents and networks.",
    },
    "Money": {
        "integrations": "Connect networks that report payments: their addresses, keys, templates.",
        "conversions": "Show what was sold, which click it follows, and what came of it.",
        "webhooks": "Show what networks and Stripe have sent; have it handled again.",
        "bonuses": "Give a campaign's buyers something, by mail or as a download.",
        "rates": "Take in the currencies' rates, for payments that are not in dollars.",
    },
    "Automate": {
        "workflows": "Add, try, watch and repair what happens by itself.",
        "content": "Add and list posts, and have them published at a time.",
    },
    "Watch and repair": {
        "status": "Draw what runs here, and what it does right now.",
        "queues": "Show what waits in the eight queues; pause, resume, drain, widen them.",
        "dead": "List, read, edit, replay and drop what could not be done.",
        "audit": "Prove that everything acknowledged is stored, or show what is not.",
        "doctor": "Check stores and settings, and say what to do.",
    },
    "Try and measure": {
        "seed": "Fill the tables with events that look real.",
        "schema": "Show the shapes of settings, as JSON Schema.",
        "bench": "Measure this machine.",
    },
}
NOUNS = {noun: help_text for group in GROUPS.values() for noun, help_text in group.items()}


def main(argv: list[str] | None = None) -> None:
    """Run one command and leave: exit code 0 done, 1 failed, 2 wrong use."""
    words = sys.argv[1:] if argv is None else argv
    try:
        command_line(words[0] if words else None)(args=words, prog_name="hopfleet")
    except HopfleetError as error:
        typer.echo(f"hopfleet: {error}", err=True)
        sys.exit(2 if isinstance(error, Misused) else 1)
    except ValidationError as error:
        if error.title != "Settings":
            raise
        typer.echo(f"hopfleet: {_wrong_setting(error)}", err=True)
        sys.exit(2)
    except UnicodeEncodeError:
        odd = [word for word in words if not _is_text(word)]
        if not odd:
            raise
        typer.echo(f"hopfleet: {ascii(odd[0])[:100]} is not text in UTF-8.", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # `… | head` has seen enough; nothing may be flushed into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _is_text(word: str) -> bool:
    """Whether an argument is whole characters; other bytes come as halves of some."""
    return not any("\ud800" <= character <= "\udfff" for character in word)


def _wrong_setting(error: ValidationError) -> str:
    """The first setting that does not fit, without its value, which may be a secret."""
    fault = error.errors(include_url=False, include_input=False)[0]
    name = "_".join(map(str, fault["loc"])).upper()
    return f"The setting HOPFLEET_{name} cannot be used: {fault['msg']}."


def command_line(wanted: str | None) -> typer.Typer:
    """The whole command line, of which only the noun `wanted` is imported and can run."""
    app = typer.Typer(
        cls=_Grouped,
        help="Hopfleet: click tracking that loses nothing.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    # Without a callback, Typer would take a single command for the whole application.
    app.callback()(_nothing)
    for noun, help_text in NOUNS.items():
        if noun == wanted:
            _attach(app, noun, help_text, import_module(f"ops.cli.{noun}").app)
        else:
            app.command(noun, help=help_text)(_nothing)
    return app


class _Grouped(TyperGroup):
    """Lists the commands by what they are for."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # of types Typer keeps private
        """Write each group with its title."""
        for title, nouns in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl(list(nouns.items()))


def _attach(app: typer.Typer, noun: str, help_text: str, module: typer.Typer) -> None:
    if len(module.registered_commands) != 1 or module.registered_callback:
        # A noun that does something by itself, as `queues`, does that without a verb.
        acts = bool(module.registered_callback and module.info.invoke_without_command)
        app.add_typer(module, name=noun, help=help_text, no_args_is_help=not acts)
        return
    only = module.registered_commands[0]
    assert only.callback is not None
    app.command(noun, help=help_text, context_settings=only.context_settings)(only.callback)


def _nothing() -> None:
    """Stands in for commands that are only listed."""
