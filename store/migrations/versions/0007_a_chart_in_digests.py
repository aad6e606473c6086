"""What a digest's chart is drawn from."""

import sqlalchemy as sa
from alembic import op

revision = "0007_a_chart_in_digests"
down_revision = "0006_a_team_at_work"


def upgrade() -> None:
    op.add_column("digest", sa.Column("chart", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("digest") as digest:
        digest.drop_column("chart")
