"""Tables of people, their posts, offices and sessions. Times are integer milliseconds since 1970 (UTC)."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text

from gateway.storage.schema import metadata

# Nobody is ever deleted: a login belongs to one person for ever, and a person is `person_id`.
persons = Table(
    "persons",
    metadata,
    Column("person_id", String(36), primary_key=True),
    Column("login", String(40), nullable=False),
    Column("name", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("password", Text),
    Column("created_ms", BigInteger, nullable=False),
    Column("signed_in_ms", BigInteger),
    Column("factor_due_ms", BigInteger),
    Index("ix_persons_login", "login", unique=True),
)

# `office` is empty for a post at the node.
posts = Table(
    "posts",
    metadata,
    Column("person_id", String(36), primary_key=True),
    Column("role", String(24), primary_key=True),
    Column("office", String(80), primary_key=True),
    Column("since_ms", BigInteger, nullable=False),
    Index("ix_posts_role", "role"),
)

offices = Table(
    "offices",
    metadata,
    Column("code", String(80), primary_key=True),
    Column("name_es", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("zone", String(64), nullable=False),
    Column("calendar", String(8), nullable=False),
    Column("hours", Text, nullable=False),
    Column("takes_inbox", Boolean, nullable=False),
    Column("closed_ms", BigInteger),
)

# Secrets are kept by their SHA-256: 256 random bits each.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("person_id", String(36), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("method", String(16)),
    Column("pages", Boolean),
    Index("ix_sessions_person_id", "person_id"),
)

invitations = Table(
    "invitations",
    metadata,
    Column("person_id", String(36), primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Index("ix_invitations_digest", "digest", unique=True),
)

devices = Table(
    "devices",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("person_id", String(36), primary_key=True),
    Column("used_ms", BigInteger, nullable=False),
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("bucket", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Index("ix_sign_in_failures_last_ms", "last_ms"),
)

# The secret address of a person's deadlines: one a person, kept by its digest.
calendar_links = Table(
    "calendar_links",
    metadata,
    Column("person_id", String(36), primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Index("ix_calendar_links_digest", "digest", unique=True),
)

# One row per person: the key itself says that nobody counts twice.
approvals = Table(
    "approvals",
    metadata,
    Column("subject", String(160), primary_key=True),
    Column("person_id", String(36), primary_key=True),
    Column("given_ms", BigInteger, nullable=False),
)
