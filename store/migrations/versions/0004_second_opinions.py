"""What a larger model said of texts on which the reader was unsure."""

import sqlalchemy as sa
from alembic import op

revision = "0004_second_opinions"
down_revision = "0003_what_a_brand_has_learned"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "opinion",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("wanted_at", MOMENT, nullable=False),
        sa.Column("asked_at", MOMENT, nullable=True),
        sa.Column("sentiment", sa.String(), nullable=True),
        sa.Column("tokens_in", sa.Integer(), nullable=False),
        sa.Column("tokens_out", sa.Integer(), nullable=False),
        sa.Column("cost", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_opinion"),
    )
    op.create_index("ix_opinion_asked_at", "opinion", ["asked_at"])
    op.add_column("mention_brand", sa.Column("opinion", sa.String(), nullable=True))
    op.create_index("ix_mention_brand_opinion", "mention_brand", ["opinion"])


def downgrade() -> None:
    op.drop_index("ix_mention_brand_opinion", "mention_brand")
    op.drop_column("mention_brand", "opinion")
    op.drop_table("opinion")
