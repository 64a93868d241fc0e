"""Notices, receivers of webhooks, who wants mail, and what waits for them."""

import sqlalchemy as sa
from alembic import op

revision = "r0020_notices"
down_revision = "r0019_case_list"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "notices",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("folio", sa.String(length=16), nullable=False),
        sa.Column("href", sa.String(length=80), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=True),
        sa.Column("opening_id", sa.String(length=36), nullable=True),
        sa.Column("office", sa.String(length=80), nullable=True),
        sa.Column("but_person", sa.String(length=36), nullable=True),
        sa.Column("spread_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    op.create_index("ix_notices_at", "notices", ["at_ms"], unique=False)
    op.create_index("ix_notices_fresh", "notices", ["at_ms"], unique=False, sqlite_where=sa.text("spread_ms IS NULL"), postgresql_where=sa.text("spread_ms IS NULL"))
    op.create_index("ix_notices_named", "notices", ["type", "subject"], unique=False)
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("types", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_table(
        "webhook_posts",
        sa.Column("hook_id", sa.String(length=36), nullable=False),
        sa.Column("notice_id", sa.String(length=48), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("hook_id", "notice_id", name=op.f("pk_webhook_posts")),
    )
    op.create_index("ix_webhook_posts_dead", "webhook_posts", ["hook_id"], unique=False, sqlite_where=sa.text("state = 'dead'"), postgresql_where=sa.text("state = 'dead'"))
    op.create_index("ix_webhook_posts_made", "webhook_posts", ["hook_id", "made_ms"], unique=False)
    op.create_index("ix_webhook_posts_notice_id", "webhook_posts", ["notice_id"], unique=False)
    op.create_index("ix_webhook_posts_waiting", "webhook_posts", ["due_ms"], unique=False, sqlite_where=sa.text("state = 'waiting'"), postgresql_where=sa.text("state = 'waiting'"))
    op.create_table(
        "mail_wishes",
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_mail_wishes")),
    )
    op.create_table(
        "mail_queue",
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("notice_id", sa.String(length=48), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("told_ms", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("person_id", "notice_id", name=op.f("pk_mail_queue")),
    )
    op.create_index("ix_mail_queue_notice_id", "mail_queue", ["notice_id"], unique=False)
    op.create_index("ix_mail_queue_waiting", "mail_queue", ["person_id", "made_ms"], unique=False, sqlite_where=sa.text("told_ms IS NULL"), postgresql_where=sa.text("told_ms IS NULL"))


def downgrade() -> None:
    """Take them away."""
    op.drop_table("mail_queue")
    op.drop_table("mail_wishes")
    op.drop_table("webhook_posts")
    op.drop_table("webhooks")
    op.drop_table("notices")
