"""Tables of notices and of whom they are told to. Ids, codes and times; addresses and secrets are sealed by the vault."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text, text

from gateway.storage.schema import metadata

FRESH = text("spread_ms IS NULL")
POST_WAITING = text("state = 'waiting'")
POST_DEAD = text("state = 'dead'")
MAIL_WAITING = text("told_ms IS NULL")
LINK_UP = "link "
"""How the subject of a notice about a link begins."""

notices = Table(
    "notices",
    metadata,
    Column("id", String(48), primary_key=True),
    Column("type", String(32), nullable=False),
    Column("subject", String(120), nullable=False),
    Column("folio", String(16), nullable=False),
    Column("href", String(80), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger),
    Column("opening_id", String(36)),
    Column("office", String(80)),
    # Whoever caused it need not be told.
    Column("but_person", String(36)),
    Column("spread_ms", BigInteger),
    Index("ix_notices_fresh", "at_ms", sqlite_where=FRESH, postgresql_where=FRESH),
    Index("ix_notices_named", "type", "subject"),
    Index("ix_notices_at", "at_ms"),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("host", String(255), nullable=False),
    Column("address", LargeBinary, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("previous", LargeBinary),
    Column("previous_until_ms", BigInteger),
    Column("types", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("made_ms", BigInteger, nullable=False),
)

webhook_posts = Table(
    "webhook_posts",
    metadata,
    Column("hook_id", String(36), primary_key=True),
    Column("notice_id", String(48), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("status", Integer),
    Column("reason", String(40)),
    Column("ended_ms", BigInteger),
    Index("ix_webhook_posts_waiting", "due_ms", sqlite_where=POST_WAITING, postgresql_where=POST_WAITING),
    Index("ix_webhook_posts_dead", "hook_id", sqlite_where=POST_DEAD, postgresql_where=POST_DEAD),
    Index("ix_webhook_posts_made", "hook_id", "made_ms"),
    Index("ix_webhook_posts_notice_id", "notice_id"),
)

mail_wishes = Table(
    "mail_wishes",
    metadata,
    Column("person_id", String(36), primary_key=True),
    Column("address", LargeBinary, nullable=False),
    Column("language", String(8), nullable=False),
    Column("next_ms", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", String(40)),
)

mail_queue = Table(
    "mail_queue",
    metadata,
    Column("person_id", String(36), primary_key=True),
    Column("notice_id", String(48), primary_key=True),
    Column("made_ms", BigInteger, nullable=False),
    Column("told_ms", BigInteger),
    Column("reason", String(40)),
    Index("ix_mail_queue_waiting", "person_id", "made_ms", sqlite_where=MAIL_WAITING, postgresql_where=MAIL_WAITING),
    Index("ix_mail_queue_notice_id", "notice_id"),
)
