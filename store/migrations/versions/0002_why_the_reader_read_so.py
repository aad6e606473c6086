"""The words that moved the reader, beside what it read."""

import sqlalchemy as sa
from alembic import op

revision = "0002_why_the_reader_read_so"
down_revision = "0001_corridor"


def upgrade() -> None:
    op.add_column("mention_brand", sa.Column("moved", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("mention_brand", "moved")
