"""Alembic revisions of the broker's database."""
