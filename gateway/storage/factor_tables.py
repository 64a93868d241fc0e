"""Tables of what people have beside a password: sealed secrets, keyed digests, public keys. Times: milliseconds, UTC."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from gateway.storage.schema import metadata

totp = Table(
    "totp",
    metadata,
    Column("person_id", String(36), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("wrong", Integer, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("person_id", String(36), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("credential", LargeBinary, primary_key=True),
    Column("person_id", String(36), nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
    Index("ix_passkeys_person_id", "person_id"),
)

# Who somebody is at a ministry: `subject` is the ministry's own id, or the address it vouches for.
links = Table(
    "links",
    metadata,
    Column("person_id", String(36), primary_key=True),
    Column("issuer", String(200), nullable=False),
    Column("subject", String(255), nullable=False),
    Index("ix_links_subject", "issuer", "subject", unique=True),
)

steps = Table(
    "steps",
    metadata,
    Column("holder", LargeBinary, primary_key=True),
    Column("use", String(16), primary_key=True),
    Column("person_id", String(36)),
    Column("sealed", LargeBinary, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Index("ix_steps_expires_ms", "expires_ms"),
    Index("ix_steps_person_id", "person_id"),
)
