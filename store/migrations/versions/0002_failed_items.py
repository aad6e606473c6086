"""Items that a step could not process, and whether a mention's date is known."""

import sqlalchemy as sa
from alembic import op

revision = "0002_failed_items"
down_revision = "0001_initial"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "failed_item",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("item", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("failed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_failed_item"),
        sa.UniqueConstraint("step", "item", name="uq_failed_item_step_item"),
    )
    op.add_column("mention", sa.Column("dated", sa.Boolean(), nullable=False, server_default=sa.true()))


def downgrade() -> None:
    op.drop_column("mention", "dated")
    op.drop_table("failed_item")
