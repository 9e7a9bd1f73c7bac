"""Alembic's home for the book database: `env.py` and one file per schema revision. Run by the engines at open."""
