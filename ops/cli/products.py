"""`hopfleet products`: ClickBank's catalogue, kept in sync, searched and shown."""

import typer

from ops.cli import product_sync

app = typer.Typer()
app.command("sync")(product_sync.sync)


@app.callback()
def _products() -> None:
    """The catalogue; makes `sync` a verb."""
