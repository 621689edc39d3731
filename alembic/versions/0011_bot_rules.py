"""Own bot lists: whom operators and users call a bot, and whom they call a person."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE bot_rules (
            id BIGSERIAL PRIMARY KEY,
            user_id UUID REFERENCES users(id) ON DELETE CASCADE,
            kind VARCHAR NOT NULL CONSTRAINT bot_rules_kind_check
                CHECK (kind IN ('agent', 'pattern', 'network')),
            pattern VARCHAR NOT NULL,
            verdict VARCHAR NOT NULL CONSTRAINT bot_rules_verdict_check
                CHECK (verdict IN ('own_list', 'known_range', 'person')),
            created_at TIMESTAMPTZ NOT NULL DEFAULT now()
        )
        """
    )
    op.execute("CREATE INDEX idx_bot_rules_user_id ON bot_rules(user_id)")


def downgrade() -> None:
    op.execute("DROP TABLE bot_rules")
