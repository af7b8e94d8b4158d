"""Alembic migrations: one schema change, one file, one reason."""
