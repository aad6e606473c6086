"""Who lowered a case's risk, and the earliest mention a draft was begun under."""

import sqlalchemy as sa
from alembic import op

revision = "0003_four_eyes"
down_revision = "0002_failed_items"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # Without a constraint: SQLite would have to copy the whole table for one.
    op.add_column("case", sa.Column("risk_lowered_by", NUMBER, nullable=True))


def downgrade() -> None:
    op.drop_column("case", "risk_lowered_by")
