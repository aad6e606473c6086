"""Who said yes to a reply beside its author and what it said before that; alerts that stand for others; what is muted."""

import sqlalchemy as sa
from alembic import op

revision = "0006_a_team_at_work"
down_revision = "0005_what_stands_around"

MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "approval",
        sa.Column("reply_id", NUMBER, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("member_id", NUMBER, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("reply_id", "revision", "member_id", name="pk_approval"),
        sa.ForeignKeyConstraint(["reply_id"], ["reply.id"], name="fk_approval_reply_id"),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name="fk_approval_member_id"),
    )
    op.create_table(
        "reply_version",
        sa.Column("reply_id", NUMBER, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("member_id", NUMBER, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("reply_id", "revision", name="pk_reply_version"),
        sa.ForeignKeyConstraint(["reply_id"], ["reply.id"], name="fk_reply_version_reply_id"),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name="fk_reply_version_member_id"),
    )
    op.create_table(
        "alert_mute",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("brand_id", NUMBER, nullable=False),
        sa.Column("pattern", sa.String(), nullable=False),
        sa.Column("muted_by", NUMBER, nullable=False),
        sa.Column("muted_at", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("silenced", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert_mute"),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name="fk_alert_mute_brand_id"),
        sa.ForeignKeyConstraint(["muted_by"], ["member.id"], name="fk_alert_mute_muted_by"),
    )
    op.create_index("ix_alert_mute_brand_id", "alert_mute", ["brand_id", "pattern"])
    op.add_column("alert", sa.Column("pattern", sa.String(), nullable=False, server_default=""))
    op.add_column("alert", sa.Column("grouped_in", NUMBER, nullable=True))
    op.add_column("alert", sa.Column("revision", sa.Integer(), nullable=False, server_default="1"))
    op.create_index("ix_alert_grouped_in", "alert", ["grouped_in"])


def downgrade() -> None:
    op.drop_index("ix_alert_grouped_in", "alert")
    with op.batch_alter_table("alert") as alert:
        alert.drop_column("revision")
        alert.drop_column("grouped_in")
        alert.drop_column("pattern")
    op.drop_table("alert_mute")
    op.drop_table("reply_version")
    op.drop_table("approval")
    op.execute("UPDATE reply SET state = 'draft' WHERE state = 'proposed'")
