"""The two schemas every table belongs to. Constraint names are fixed so that migrations can name them."""

from sqlalchemy import MetaData

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=NAMING)
key_metadata = MetaData(naming_convention=NAMING)
"""The key store's own schema: never in the main database, never in its backup (decision 4)."""
