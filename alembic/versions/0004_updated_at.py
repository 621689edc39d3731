"""`updated_at` says when a row was last changed, whoever changed it."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = (
    "users",
    "products",
    "campaigns",
    "content",
    "workflows",
    "bonuses",
    "teams",
    "team_members",
)


def upgrade() -> None:
    op.execute(
        """
        CREATE FUNCTION hopfleet_set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.updated_at := now();
            RETURN NEW;
        END $$
        """
    )
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER {table}_updated_at BEFORE UPDATE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION hopfleet_set_updated_at()"
        )


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TRIGGER {table}_updated_at ON {table}")
    op.execute("DROP FUNCTION hopfleet_set_updated_at()")
