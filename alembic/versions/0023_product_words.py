"""The words of titles, so that a search with a slip of the finger finds what was meant."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# Every text that is left when one letter is missing: two words that differ by a letter left
# out, added, changed or swapped have one of them in common.
SLIPS = """
CREATE FUNCTION hopfleet_slips(word text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_agg(DISTINCT overlay(word PLACING '' FROM at FOR 1)) || word
    FROM generate_series(1, length(word)) AS at
$$
"""

STATEMENTS = (
    "CREATE EXTENSION IF NOT EXISTS fuzzystrmatch",
    # Words as they are written, without their accents.
    "CREATE TEXT SEARCH CONFIGURATION hopfleet_surface (COPY = simple)",
    "ALTER TEXT SEARCH CONFIGURATION hopfleet_surface ALTER MAPPING FOR hword, hword_part, word"
    " WITH unaccent, simple",
    SLIPS,
    """
    CREATE TABLE product_words (
        word TEXT PRIMARY KEY,
        titles INTEGER NOT NULL,
        slips TEXT[] NOT NULL
    )
    """,
    "CREATE INDEX idx_product_words_slips ON product_words USING gin(slips)",
    "CREATE INDEX idx_product_words_trigrams ON product_words USING gin(word gin_trgm_ops)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE product_words")
    op.execute("DROP FUNCTION hopfleet_slips(text)")
    op.execute("DROP TEXT SEARCH CONFIGURATION hopfleet_surface")
    op.execute("DROP EXTENSION fuzzystrmatch")
