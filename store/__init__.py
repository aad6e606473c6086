"""Queries over the tables, the change notifier, migrations."""
