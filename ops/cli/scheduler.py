"""`hopfleet scheduler`: the clock, in this process."""

import scheduler as clock_process
import typer

app = typer.Typer()


@app.command()
def scheduler() -> None:
    """Tick until told to stop; any number may run at once."""
    clock_process.main()
