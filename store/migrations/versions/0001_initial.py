"""The tables of Ascolto 1.0."""

import sqlalchemy as sa
from alembic import op

revision = "0001_initial"
down_revision = None

MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

SEARCH = (
    (
        "CREATE VIRTUAL TABLE mention_search USING fts5(folded, content='mention', content_rowid='id',"
        " tokenize='unicode61 remove_diacritics 0')"
    ),
    (
        "CREATE TRIGGER mention_search_insert AFTER INSERT ON mention BEGIN"
        " INSERT INTO mention_search(rowid, folded) VALUES (new.id, new.folded); END"
    ),
    (
        "CREATE TRIGGER mention_search_update AFTER UPDATE OF folded ON mention BEGIN"
        " INSERT INTO mention_search(mention_search, rowid, folded) VALUES ('delete', old.id, old.folded);"
        " INSERT INTO mention_search(rowid, folded) VALUES (new.id, new.folded); END"
    ),
    (
        "CREATE TRIGGER mention_search_delete AFTER DELETE ON mention BEGIN"
        " INSERT INTO mention_search(mention_search, rowid, folded) VALUES ('delete', old.id, old.folded); END"
    ),
)


def upgrade() -> None:
    op.create_table(
        "author",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("native_id", sa.String(), nullable=False),
        sa.Column("handle", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("followers", sa.Integer(), nullable=True),
        sa.Column("url", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_author"),
        sa.UniqueConstraint("platform", "native_id", name="uq_author_platform_native_id"),
    )
    op.create_table(
        "brand",
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_brand"),
        sa.UniqueConstraint("slug", name="uq_brand_slug"),
    )
    op.create_table(
        "card_placement",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("desk", sa.String(), nullable=False),
        sa.Column("chat", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=True),
        sa.Column("shown_revision", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", MOMENT, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_card_placement"),
        sa.UniqueConstraint(
            "subject", "subject_id", "desk", "chat", name="uq_card_placement_subject_subject_id_desk_chat"
        ),
    )
    op.create_index(
        "ix_card_placement_desk_shown_revision", "card_placement", ["desk", "subject", "shown_revision"], unique=False
    )
    op.create_index("ix_card_placement_message_id", "card_placement", ["desk", "chat", "message_id"], unique=False)
    op.create_table(
        "configuration_version",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_configuration_version"),
    )
    op.create_table(
        "connection_status",
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("health", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("fix", sa.Text(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=True),
        sa.Column("last_event_at", MOMENT, nullable=True),
        sa.Column("last_success_at", MOMENT, nullable=True),
        sa.Column("reported_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("role", "name", name="pk_connection_status"),
    )
    op.create_table(
        "cursor",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("saved_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "connection", name="pk_cursor"),
    )
    op.create_table(
        "digest",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("queue_id", sa.Integer(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("first_day", sa.String(), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.Column("chart", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_digest"),
        sa.UniqueConstraint("queue_id", "period", "first_day", name="uq_digest_queue_id_period_first_day"),
    )
    op.create_table(
        "member",
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_member"),
        sa.UniqueConstraint("slug", name="uq_member_slug"),
    )
    op.create_table(
        "outage",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outage"),
    )
    op.create_index("ix_outage_ended_at", "outage", ["ended_at"], unique=False)
    op.create_table(
        "queue",
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_queue"),
        sa.UniqueConstraint("slug", name="uq_queue_slug"),
    )
    op.create_table(
        "queued_action",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("desk", sa.String(), nullable=False),
        sa.Column("native_id", sa.String(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("performed_at", MOMENT, nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_queued_action"),
        sa.UniqueConstraint("desk", "native_id", name="uq_queued_action_desk_native_id"),
    )
    op.create_index("ix_queued_action_performed_at", "queued_action", ["performed_at"], unique=False)
    op.create_table(
        "saved_reply",
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_saved_reply"),
        sa.UniqueConstraint("slug", name="uq_saved_reply_slug"),
    )
    op.create_table(
        "second_opinion",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("answered_at", MOMENT, nullable=True),
        sa.Column("sentiment", sa.String(), nullable=True),
        sa.Column("tokens_in", sa.Integer(), nullable=False),
        sa.Column("tokens_out", sa.Integer(), nullable=False),
        sa.Column("cost", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_second_opinion"),
    )
    op.create_index("ix_second_opinion_answered_at", "second_opinion", ["answered_at"], unique=False)
    op.create_table(
        "alert_mute",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("brand_id", NUMBER, nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("keyword", sa.String(), nullable=False),
        sa.Column("muted_by", NUMBER, nullable=False),
        sa.Column("muted_at", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("muted_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name="fk_alert_mute_brand_id"),
        sa.ForeignKeyConstraint(["muted_by"], ["member.id"], name="fk_alert_mute_muted_by"),
        sa.PrimaryKeyConstraint("id", name="pk_alert_mute"),
    )
    op.create_index("ix_alert_mute_brand_id", "alert_mute", ["brand_id", "severity", "keyword"], unique=False)
    op.create_table(
        "author_mute",
        sa.Column("brand_id", NUMBER, nullable=False),
        sa.Column("author_id", NUMBER, nullable=False),
        sa.Column("muted_by", NUMBER, nullable=False),
        sa.Column("muted_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["author.id"], name="fk_author_mute_author_id"),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name="fk_author_mute_brand_id"),
        sa.ForeignKeyConstraint(["muted_by"], ["member.id"], name="fk_author_mute_muted_by"),
        sa.PrimaryKeyConstraint("brand_id", "author_id", name="pk_author_mute"),
    )
    op.create_table(
        "case",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("brand_id", NUMBER, nullable=False),
        sa.Column("author_id", NUMBER, nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("thread", sa.String(), nullable=False),
        sa.Column("queue_id", NUMBER, nullable=True),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("intent", sa.String(), nullable=False),
        sa.Column("sentiment", sa.String(), nullable=False),
        sa.Column("topics", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(), nullable=True),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("score_parts", sa.Text(), nullable=False),
        sa.Column("rank", sa.Double(), nullable=False),
        sa.Column("mention_count", sa.Integer(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("opened_by", NUMBER, nullable=True),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("last_received_at", MOMENT, nullable=False),
        sa.Column("claimed_by", NUMBER, nullable=True),
        sa.Column("claim_until", MOMENT, nullable=True),
        sa.Column("snoozed_until", MOMENT, nullable=True),
        sa.Column("first_answer_due", MOMENT, nullable=False),
        sa.Column("first_answered_at", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("ended_reason", sa.String(), nullable=True),
        sa.Column("escalation_level", sa.Integer(), nullable=False),
        sa.Column("next_escalation_at", MOMENT, nullable=True),
        sa.Column("duplicate_group_id", NUMBER, nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["author.id"], name="fk_case_author_id"),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name="fk_case_brand_id"),
        sa.ForeignKeyConstraint(["claimed_by"], ["member.id"], name="fk_case_claimed_by"),
        sa.ForeignKeyConstraint(["duplicate_group_id"], ["case.id"], name="fk_case_duplicate_group_id"),
        sa.ForeignKeyConstraint(["opened_by"], ["member.id"], name="fk_case_opened_by"),
        sa.ForeignKeyConstraint(["queue_id"], ["queue.id"], name="fk_case_queue_id"),
        sa.PrimaryKeyConstraint("id", name="pk_case"),
    )
    op.create_index("ix_case_author", "case", ["brand_id", "author_id", "thread"], unique=False)
    op.create_index("ix_case_duplicate_group_id", "case", ["duplicate_group_id"], unique=False)
    op.create_index("ix_case_opened_at", "case", ["opened_at"], unique=False)
    op.create_index("ix_case_queue", "case", ["queue_id", "state", "rank"], unique=False)
    op.create_index("ix_case_state", "case", ["state", "rank"], unique=False)
    op.create_index(
        "uq_case_one_open",
        "case",
        ["brand_id", "author_id", "thread"],
        unique=True,
        sqlite_where=sa.text("state IN ('waiting', 'claimed', 'snoozed', 'publishing')"),
        postgresql_where=sa.text("state IN ('waiting', 'claimed', 'snoozed', 'publishing')"),
    )
    op.create_table(
        "login_link",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("member_id", NUMBER, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name="fk_login_link_member_id"),
        sa.PrimaryKeyConstraint("hash", name="pk_login_link"),
    )
    op.create_table(
        "mention",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("native_id", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("author_id", NUMBER, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("thread", sa.String(), nullable=False),
        sa.Column("parent", sa.String(), nullable=True),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column("earlier_posts", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("edited_at", MOMENT, nullable=True),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["author_id"], ["author.id"], name="fk_mention_author_id"),
        sa.PrimaryKeyConstraint("id", name="pk_mention"),
        sa.UniqueConstraint("platform", "native_id", name="uq_mention_platform_native_id"),
    )
    op.create_index("ix_mention_author_id_created_at", "mention", ["author_id", "created_at"], unique=False)
    op.create_index("ix_mention_received_at", "mention", ["received_at"], unique=False)
    op.create_index("ix_mention_url", "mention", ["url"], unique=False)
    op.create_table(
        "training_run",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("brand_id", NUMBER, nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("weights", sa.LargeBinary(), nullable=False),
        sa.Column("corrections", sa.Integer(), nullable=False),
        sa.Column("agreements", sa.Integer(), nullable=False),
        sa.Column("accuracy_before", sa.Double(), nullable=False),
        sa.Column("accuracy_after", sa.Double(), nullable=False),
        sa.Column("gain_low", sa.Double(), nullable=False),
        sa.Column("gain_high", sa.Double(), nullable=False),
        sa.Column("improved", sa.Boolean(), nullable=False),
        sa.Column("trained_at", MOMENT, nullable=False),
        sa.Column("activated_at", MOMENT, nullable=True),
        sa.Column("deactivated_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name="fk_training_run_brand_id"),
        sa.PrimaryKeyConstraint("id", name="pk_training_run"),
    )
    op.create_index("ix_training_run_brand_id", "training_run", ["brand_id", "id"], unique=False)
    op.create_index(
        "uq_training_run_active",
        "training_run",
        ["brand_id"],
        unique=True,
        sqlite_where=sa.text("activated_at IS NOT NULL AND deactivated_at IS NULL"),
        postgresql_where=sa.text("activated_at IS NOT NULL AND deactivated_at IS NULL"),
    )
    op.create_table(
        "web_session",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("member_id", NUMBER, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name="fk_web_session_member_id"),
        sa.PrimaryKeyConstraint("hash", name="pk_web_session"),
    )
    op.create_table(
        "ai_draft",
        sa.Column("mention_id", NUMBER, nullable=False),
        sa.Column("case_id", NUMBER, nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("variants", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("tokens_in", sa.Integer(), nullable=False),
        sa.Column("tokens_out", sa.Integer(), nullable=False),
        sa.Column("cost", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case.id"], name="fk_ai_draft_case_id"),
        sa.ForeignKeyConstraint(["mention_id"], ["mention.id"], name="fk_ai_draft_mention_id"),
        sa.PrimaryKeyConstraint("mention_id", "case_id", name="pk_ai_draft"),
    )
    op.create_index("ix_ai_draft_case_id", "ai_draft", ["case_id"], unique=False)
    op.create_index("ix_ai_draft_requested_at", "ai_draft", ["requested_at"], unique=False)
    op.create_table(
        "alert",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("brand_id", NUMBER, nullable=False),
        sa.Column("queue_id", NUMBER, nullable=True),
        sa.Column("case_id", NUMBER, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("keyword", sa.String(), nullable=False),
        sa.Column("notified", sa.Text(), nullable=False),
        sa.Column("raised_at", MOMENT, nullable=False),
        sa.Column("group_id", NUMBER, nullable=True),
        sa.Column("muted", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name="fk_alert_brand_id"),
        sa.ForeignKeyConstraint(["case_id"], ["case.id"], name="fk_alert_case_id"),
        sa.ForeignKeyConstraint(["queue_id"], ["queue.id"], name="fk_alert_queue_id"),
        sa.PrimaryKeyConstraint("id", name="pk_alert"),
        sa.UniqueConstraint("key", name="uq_alert_key"),
    )
    op.create_index("ix_alert_group_id", "alert", ["group_id"], unique=False)
    op.create_index("ix_alert_raised_at", "alert", ["raised_at"], unique=False)
    op.create_table(
        "case_event",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("case_id", NUMBER, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("member_id", NUMBER, nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case.id"], name="fk_case_event_case_id"),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name="fk_case_event_member_id"),
        sa.PrimaryKeyConstraint("id", name="pk_case_event"),
    )
    op.create_index("ix_case_event_at", "case_event", ["at", "kind"], unique=False)
    op.create_index("ix_case_event_case_id", "case_event", ["case_id", "id"], unique=False)
    op.create_table(
        "case_fingerprint",
        sa.Column("case_id", NUMBER, nullable=False),
        sa.Column("band", sa.Integer(), nullable=False),
        sa.Column("value", NUMBER, nullable=False),
        sa.Column("brand_id", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name="fk_case_fingerprint_brand_id"),
        sa.ForeignKeyConstraint(["case_id"], ["case.id"], name="fk_case_fingerprint_case_id"),
        sa.PrimaryKeyConstraint("case_id", "band", name="pk_case_fingerprint"),
    )
    op.create_index("ix_case_fingerprint", "case_fingerprint", ["brand_id", "band", "value"], unique=False)
    op.create_table(
        "mention_brand",
        sa.Column("mention_id", NUMBER, nullable=False),
        sa.Column("brand_id", NUMBER, nullable=False),
        sa.Column("matched_by", sa.String(), nullable=False),
        sa.Column("query", sa.String(), nullable=False),
        sa.Column("matched_words", sa.Text(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("analyzed_at", MOMENT, nullable=True),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("sentiment", sa.String(), nullable=True),
        sa.Column("negative", sa.Double(), nullable=True),
        sa.Column("neutral", sa.Double(), nullable=True),
        sa.Column("positive", sa.Double(), nullable=True),
        sa.Column("intent", sa.String(), nullable=True),
        sa.Column("influential_words", sa.Text(), nullable=True),
        sa.Column("second_opinion_key", sa.String(), nullable=True),
        sa.Column("topics", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(), nullable=True),
        sa.Column("corrected_sentiment", sa.String(), nullable=True),
        sa.Column("corrected_by", NUMBER, nullable=True),
        sa.Column("case_id", NUMBER, nullable=True),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name="fk_mention_brand_brand_id"),
        sa.ForeignKeyConstraint(["case_id"], ["case.id"], name="fk_mention_brand_case_id"),
        sa.ForeignKeyConstraint(["corrected_by"], ["member.id"], name="fk_mention_brand_corrected_by"),
        sa.ForeignKeyConstraint(["mention_id"], ["mention.id"], name="fk_mention_brand_mention_id"),
        sa.PrimaryKeyConstraint("mention_id", "brand_id", name="pk_mention_brand"),
    )
    op.create_index("ix_mention_brand_brand_id", "mention_brand", ["brand_id", "mention_id"], unique=False)
    op.create_index("ix_mention_brand_case_id", "mention_brand", ["case_id"], unique=False)
    op.create_index("ix_mention_brand_second_opinion_key", "mention_brand", ["second_opinion_key"], unique=False)
    op.create_index(
        "ix_mention_brand_unanalyzed",
        "mention_brand",
        ["live", "mention_id"],
        unique=False,
        sqlite_where=sa.text("analyzed_at IS NULL"),
        postgresql_where=sa.text("analyzed_at IS NULL"),
    )
    op.create_table(
        "mention_version",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("mention_id", NUMBER, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("replaced_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["mention_id"], ["mention.id"], name="fk_mention_version_mention_id"),
        sa.PrimaryKeyConstraint("id", name="pk_mention_version"),
    )
    op.create_index("ix_mention_version_mention_id", "mention_version", ["mention_id"], unique=False)
    op.create_table(
        "reply",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("case_id", NUMBER, nullable=False),
        sa.Column("mention_id", NUMBER, nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("suggestion_code", sa.String(), nullable=True),
        sa.Column("author_id", NUMBER, nullable=False),
        sa.Column("drafted_at", MOMENT, nullable=False),
        sa.Column("approved_by", NUMBER, nullable=True),
        sa.Column("approved_at", MOMENT, nullable=True),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("native_id", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("published_at", MOMENT, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["approved_by"], ["member.id"], name="fk_reply_approved_by"),
        sa.ForeignKeyConstraint(["author_id"], ["member.id"], name="fk_reply_author_id"),
        sa.ForeignKeyConstraint(["case_id"], ["case.id"], name="fk_reply_case_id"),
        sa.ForeignKeyConstraint(["mention_id"], ["mention.id"], name="fk_reply_mention_id"),
        sa.PrimaryKeyConstraint("id", name="pk_reply"),
        sa.UniqueConstraint("key", name="uq_reply_key"),
    )
    op.create_index("ix_reply_case_id", "reply", ["case_id"], unique=False)
    op.create_index("ix_reply_native_id", "reply", ["native_id"], unique=False)
    op.create_index("ix_reply_state_due_at", "reply", ["state", "due_at"], unique=False)
    op.create_index(
        "uq_reply_draft",
        "reply",
        ["case_id", "author_id"],
        unique=True,
        sqlite_where=sa.text("state = 'draft'"),
        postgresql_where=sa.text("state = 'draft'"),
    )
    op.create_index(
        "uq_reply_in_flight",
        "reply",
        ["case_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('approved', 'sending', 'unknown')"),
        postgresql_where=sa.text("state IN ('approved', 'sending', 'unknown')"),
    )
    op.create_table(
        "approval",
        sa.Column("reply_id", NUMBER, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("member_id", NUMBER, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name="fk_approval_member_id"),
        sa.ForeignKeyConstraint(["reply_id"], ["reply.id"], name="fk_approval_reply_id"),
        sa.PrimaryKeyConstraint("reply_id", "revision", "member_id", name="pk_approval"),
    )
    op.create_table(
        "reply_version",
        sa.Column("reply_id", NUMBER, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("member_id", NUMBER, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name="fk_reply_version_member_id"),
        sa.ForeignKeyConstraint(["reply_id"], ["reply.id"], name="fk_reply_version_reply_id"),
        sa.PrimaryKeyConstraint("reply_id", "revision", name="pk_reply_version"),
    )
    for statement in SEARCH:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE mention_search")
    op.drop_table("reply_version")
    op.drop_table("approval")
    op.drop_table("reply")
    op.drop_table("mention_version")
    op.drop_table("mention_brand")
    op.drop_table("case_fingerprint")
    op.drop_table("case_event")
    op.drop_table("alert")
    op.drop_table("ai_draft")
    op.drop_table("web_session")
    op.drop_table("training_run")
    op.drop_table("mention")
    op.drop_table("login_link")
    op.drop_table("case")
    op.drop_table("author_mute")
    op.drop_table("alert_mute")
    op.drop_table("second_opinion")
    op.drop_table("saved_reply")
    op.drop_table("queued_action")
    op.drop_table("queue")
    op.drop_table("outage")
    op.drop_table("member")
    op.drop_table("digest")
    op.drop_table("cursor")
    op.drop_table("connection_status")
    op.drop_table("configuration_version")
    op.drop_table("card_placement")
    op.drop_table("brand")
    op.drop_table("author")
