"""`hopfleet env`: what points other tools, and other shells, at the running stores."""

import shlex
from typing import Annotated

import orjson
import typer

from base.settings import settings

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
        "HOPFLEET_REDIS_URL": chosen.redis,
        "HOPFLEET_PUBLIC_URL": settings().url,
    }
    if json:
        typer.echo(orjson.dumps(values))
        return
    for name, value in values.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
