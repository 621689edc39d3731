"""`hopfleet up`: everything on this machine, from nothing, until Ctrl-C."""

import errno
from pathlib import Path
from typing import Annotated

import typer

from base.errors import HopfleetError
from base.settings import settings
from ops.local import reasons, whole
from ops.local.fleet import OURS
from ops.local.folder import DataFolder
from ops.local.screen import Screen

app = typer.Typer()


@app.command()
def up(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Where the doors listen; 0: any.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where everything is kept (else HOPFLEET_DATA_DIR).")
    ] = None,
    demo: Annotated[bool, typer.Option(help="Make a campaign to try on first run.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object when ready.")] = False,
) -> None:
    """Start stores, doors, workers and scheduler, and keep them running until Ctrl-C."""
    chosen = settings()
    folder = DataFolder(data_dir or chosen.data_dir)
    door = chosen.port if port is None else port
    chosen = chosen.model_copy(update={"port": door, "data_dir": folder.path})
    try:
        whole.run(chosen, folder, Screen(quiet=json), OURS, demo=demo, json=json)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise HopfleetError(reasons.full_disk(folder.path)) from error
