"""`hopfleet products`: ClickBank's catalogue, kept in sync, searched and shown."""

import typer

from ops.cli import product_search, product_show, product_sync, product_syncs

app = typer.Typer()
app.command("sync")(product_sync.sync)
app.command("search")(product_search.search)
app.command("show")(product_show.show)
app.command("history")(product_show.history)
app.command("syncs")(product_syncs.syncs)
