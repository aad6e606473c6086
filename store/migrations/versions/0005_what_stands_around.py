"""Pictures beside a mention, and what was said before it."""

import sqlalchemy as sa
from alembic import op

revision = "0005_what_stands_around"
down_revision = "0004_second_opinions"


def upgrade() -> None:
    op.add_column("mention", sa.Column("media", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("mention", sa.Column("before", sa.Text(), nullable=True))
    op.create_index("ix_reply_native_id", "reply", ["native_id"])


def downgrade() -> None:
    op.drop_index("ix_reply_native_id", "reply")
    op.drop_column("mention", "before")
    op.drop_column("mention", "media")
