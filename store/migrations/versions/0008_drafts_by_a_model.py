"""Drafts that a language model has written for cases."""

import sqlalchemy as sa
from alembic import op

revision = "0008_drafts_by_a_model"
down_revision = "0007_a_chart_in_digests"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "drafted",
        sa.Column("mention_id", NUMBER, nullable=False),
        sa.Column("case_id", NUMBER, nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("variants", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("tokens_in", sa.Integer(), nullable=False),
        sa.Column("tokens_out", sa.Integer(), nullable=False),
        sa.Column("cost", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("mention_id", "case_id", name="pk_drafted"),
        sa.ForeignKeyConstraint(["mention_id"], ["mention.id"], name="fk_drafted_mention_id"),
        sa.ForeignKeyConstraint(["case_id"], ["case.id"], name="fk_drafted_case_id"),
    )
    op.create_index("ix_drafted_case_id", "drafted", ["case_id"])
    op.create_index("ix_drafted_asked_at", "drafted", ["asked_at"])


def downgrade() -> None:
    op.drop_table("drafted")
