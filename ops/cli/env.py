"""`hopfleet env`: what points other tools, and other shells, at the running stores."""

import shlex
from contextlib import suppress
from typing import Annotated

import orjson
import typer

from base.errors import Misused
from base.settings import Settings, settings

app = typer.Typer()


@app.command()
def env(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print `export` lines for a shell: eval "$(hopfleet env)"."""
    chosen = settings()
    values = {
        "HOPFLEET_DATA_DIR": str(chosen.data_dir.absolute()),
        "HOPFLEET_DATABASE_URL": chosen.database,
        "HOPFLEET_JOURNAL_URL": chosen.journal,
        **_broker(chosen),
        "HOPFLEET_PUBLIC_URL": settings().url,
    }
    if json:
        typer.echo(orjson.dumps(values))
        return
    for name, value in values.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


def _broker(chosen: Settings) -> dict[str, str]:
    """The broker by the setting that names it: where it is no Redis, there may be none at all."""
    values: dict[str, str] = {}
    with suppress(Misused):
        values["HOPFLEET_REDIS_URL"] = chosen.redis
    if chosen.broker != values.get("HOPFLEET_REDIS_URL"):
        values["HOPFLEET_BROKER_URL"] = chosen.broker
    return values
