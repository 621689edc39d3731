"""Revenue is a number: PostgreSQL takes NaN, which sorts above every amount and spoils every sum.

Writers are held to it at once; what is there already is looked through without blocking them.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

NAME = "analytics_events_revenue_check"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(
        f"ALTER TABLE analytics_events ADD CONSTRAINT {NAME} CHECK (revenue <> 'NaN') NOT VALID"
    )
    with op.get_context().autocommit_block():
        op.execute("UPDATE analytics_events SET revenue = NULL WHERE revenue = 'NaN'")
        op.execute(f"ALTER TABLE analytics_events VALIDATE CONSTRAINT {NAME}")


def downgrade() -> None:
    op.execute(f"ALTER TABLE analytics_events DROP CONSTRAINT {NAME}")
