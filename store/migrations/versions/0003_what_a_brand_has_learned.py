"""Heads learned from corrections."""

import sqlalchemy as sa
from alembic import op

revision = "0003_what_a_brand_has_learned"
down_revision = "0002_why_the_reader_read_so"

MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
IN_USE = sa.text("used_at IS NOT NULL AND ended_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "learned",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("brand_id", NUMBER, nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("weights", sa.LargeBinary(), nullable=False),
        sa.Column("corrections", sa.Integer(), nullable=False),
        sa.Column("agreed", sa.Integer(), nullable=False),
        sa.Column("before", sa.Double(), nullable=False),
        sa.Column("after", sa.Double(), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
        sa.Column("better", sa.Boolean(), nullable=False),
        sa.Column("learned_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name="fk_learned_brand_id"),
        sa.PrimaryKeyConstraint("id", name="pk_learned"),
    )
    op.create_index(
        "uq_learned_in_use", "learned", ["brand_id"], unique=True, sqlite_where=IN_USE, postgresql_where=IN_USE
    )
    op.create_index("ix_learned_brand_id", "learned", ["brand_id", "id"])


def downgrade() -> None:
    op.drop_table("learned")
