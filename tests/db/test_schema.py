"""The database is the schema document's, plus what db/extras.py lists, and nothing else."""

from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine

from alembic import command
from db import migrations
from db.extras import EXTRAS, names
from db.schema import DOCUMENT, SIDE, metadata
from tests.db.catalog import Catalog

DOCUMENT_SQL = Path(__file__).parents[1] / "data" / "schema.sql"
PRIMARY_KEY = "analytics_events_pkey"


@pytest.fixture
def document(scratch: str) -> Catalog:
    """The catalog of a database made from the document's own SQL."""
    with psycopg.connect(scratch) as session:
        session.execute(DOCUMENT_SQL.read_text().encode())
    return Catalog(scratch)


def test_the_document_has_nine_tables_and_they_are_ours(document: Catalog) -> None:
    assert document.tables == {model.__tablename__ for model in DOCUMENT}
    assert len(document.tables) == 9


def test_columns_are_those_of_the_document(document: Catalog, database: str) -> None:
    ours = Catalog(database, document.tables)

    assert ours.columns == document.columns


def test_keys_are_those_of_the_document_but_for_listed_ones(
    document: Catalog, database: str
) -> None:
    ours = Catalog(database, document.tables)

    missing, added = (
        document.constraints - ours.constraints,
        ours.constraints - document.constraints,
    )
    assert {fact[1] for fact in missing} == names("difference")
    assert {fact[1] for fact in added} == names("difference") | names("check")
    assert ("analytics_events", PRIMARY_KEY, "PRIMARY KEY (id, created_at)") in ours.constraints


def test_indexes_are_those_of_the_document_but_for_listed_ones(
    document: Catalog, database: str
) -> None:
    ours = Catalog(database, document.tables)

    assert {fact[1] for fact in document.indexes - ours.indexes} == names("difference")
    added = {fact[1] for fact in ours.indexes - document.indexes}
    assert added == names("difference") | names("index")


def test_tables_and_triggers_that_were_added_are_listed(document: Catalog, database: str) -> None:
    ours = Catalog(database)

    assert ours.tables - document.tables == names("table")
    triggers = {fact for fact in ours.triggers if fact[0] in document.tables}
    assert triggers == {(extra.on, extra.name) for extra in EXTRAS if extra.kind == "trigger"}


def test_every_extra_has_a_reason() -> None:
    assert all(extra.reason.endswith(".") for extra in EXTRAS)


def test_models_are_the_document_too(document: Catalog, scratch: str) -> None:
    # The models' own SQL, in place of the document's.
    with psycopg.connect(scratch) as session:
        session.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(scratch))
    metadata.create_all(engine)
    engine.dispose()
    ours = Catalog(scratch, document.tables)

    assert ours.columns == document.columns
    changed = {fact[1] for fact in document.constraints ^ ours.constraints}
    assert changed == names("difference") | names("check")
    assert {fact[1] for fact in document.indexes ^ ours.indexes} == names("difference")


def test_models_and_migrations_make_the_same_side_tables(database: str, scratch: str) -> None:
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(scratch))
    metadata.create_all(engine)
    engine.dispose()
    side = {model.__tablename__ for model in SIDE}
    models, migrated = Catalog(scratch, side), Catalog(database, side)

    assert models.columns == migrated.columns
    assert models.constraints == migrated.constraints
    assert models.indexes == migrated.indexes


def test_alembic_finds_nothing_to_do(database: str) -> None:
    command.check(migrations.config(database))  # raises when it would write a migration
