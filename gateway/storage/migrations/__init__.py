"""Alembic migrations of the two databases; package data, run by `runner`."""
