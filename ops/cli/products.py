"""`hopfleet products`: ClickBank's catalogue, kept in sync, searched and shown."""

import typer

from ops.cli import product_search, product_sync

app = typer.Typer()
app.command("sync")(product_sync.sync)
app.command("search")(product_search.search)
