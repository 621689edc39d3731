"""The campaign a dead letter names, for letters that name none that could be one, too."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# A returned value is cast to the function's type outside the block that catches: the text has to
# become an id inside it, or one such letter keeps all others from being listed.
CAMPAIGN = r"""
CREATE OR REPLACE FUNCTION hopfleet_campaign_of(item BYTEA) RETURNS UUID
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (replace(convert_from(item, 'UTF8'), '\u0000', '')::json ->> 'campaign')::uuid;
EXCEPTION WHEN others THEN
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.execute(CAMPAIGN)


def downgrade() -> None:
    """Nothing: the revision before works with it, too."""
