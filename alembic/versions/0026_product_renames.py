"""A product whose id somebody else changed is no longer taken for the feed's product of that id."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# Were the old id kept, two states would have it once the feed's product is there again, and a
# sync could not tell which of the two products it means.
FORGET = """
CREATE OR REPLACE FUNCTION hopfleet_forget_products() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF coalesce(current_setting('hopfleet.syncing', true), '') <> 'on' THEN
        UPDATE product_states s SET {}digest = '00000000-0000-0000-0000-000000000000'
        FROM new_rows n WHERE s.product_id = n.id;
    END IF;
    RETURN NULL;
END $$
"""
MEND = """
    UPDATE product_states s SET clickbank_id = p.clickbank_id, digest =
        '00000000-0000-0000-0000-000000000000'
    FROM products p WHERE p.id = s.product_id AND p.clickbank_id <> s.clickbank_id
"""


def upgrade() -> None:
    op.execute(FORGET.format("clickbank_id = n.clickbank_id, "))
    op.execute(MEND)


def downgrade() -> None:
    op.execute(FORGET.format(""))
