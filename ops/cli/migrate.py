"""`hopfleet migrate`: the database gets this version's tables, and partitions to write into."""

import typer

app = typer.Typer()


@app.command()
def migrate(
    json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Upgrade the tables, then make the partitions ahead; harmless when all is there."""
    # Alembic and SQLAlchemy cost a second to import; no other command needs both.
    from db import ledger, migrations, partitions
    from db.connection import transaction

    migrations.upgrade()
    with transaction() as tx:
        partitions.ensure_months(tx)
        ledger.make_partitions(tx)
    typer.echo('{"migrated":true}' if json else "The database is up to date.")
