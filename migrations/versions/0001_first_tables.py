"""Make the first tables: studies, trials, attempts, reports, asks, events, keys, dispatcher."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite autoincrements INTEGER only
TABLES = (
    "mo_studies",
    "mo_trials",
    "mo_attempts",
    "mo_reports",
    "mo_asks",
    "mo_events",
    "mo_idempotency_keys",
    "mo_api_keys",
    "mo_dispatcher",
)


def upgrade() -> None:
    """Make the tables, parents first."""
    _make_studies()
    _make_trials()
    _make_attempts()
    _make_reports()
    _make_asks()
    _make_events()
    _make_idempotency_keys()
    _make_api_keys()
    _make_dispatcher()


def downgrade() -> None:
    """Drop the tables, children first."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _make_studies() -> None:
    op.create_table(
        "mo_studies",
        sa.Column("study_id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("spec_sha256", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("result", sa.JSON()),
        sa.Column("sealed_looks", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT),
        sa.Column("finished_at", INSTANT),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'paused', 'completed', 'failed', 'cancelled')",
            name=op.f("ck_mo_studies_status"),
        ),
        sa.PrimaryKeyConstraint("study_id", name="pk_mo_studies"),
    )
    op.create_index("ix_mo_studies_status_created_at", "mo_studies", ["status", "created_at"])


def _make_trials() -> None:
    op.create_table(
        "mo_trials",
        sa.Column("trial_id", sa.String(32), nullable=False),
        sa.Column("study_id", sa.String(32), nullable=False),
        sa.Column("trial_number", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("branch", sa.String(32), nullable=False),
        sa.Column("ask_index", sa.Integer()),
        sa.Column("source_trial_number", sa.Integer()),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("meta_iteration", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(53)),
        sa.Column("score_stderr", sa.Float(53)),
        sa.Column("diverged_at", sa.Integer()),
        sa.Column("cause", sa.Text()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("solo", sa.Boolean(), nullable=False),
        sa.Column("checkpoint", sa.Text()),
        sa.Column("checkpoint_sha256", sa.String(64)),
        sa.Column("device_seconds", sa.Float(53), nullable=False),
        sa.Column("epoch", sa.Integer()),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT),
        sa.Column("finished_at", INSTANT),
        sa.CheckConstraint("role IN ('search', 'verdict')", name=op.f("ck_mo_trials_role")),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'completed', 'pruned', 'diverged', 'failed', "
            "'cancelled')",
            name=op.f("ck_mo_trials_status"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["mo_studies.study_id"],
            name="fk_mo_trials_study_id_mo_studies",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("trial_id", name="pk_mo_trials"),
        sa.UniqueConstraint("study_id", "trial_number", name="uq_mo_trials_study_id_trial_number"),
    )
    op.create_index("ix_mo_trials_study_id_status", "mo_trials", ["study_id", "status"])


def _make_attempts() -> None:
    op.create_table(
        "mo_attempts",
        sa.Column("attempt_id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("trial_id", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("slot", sa.String(64), nullable=False),
        sa.Column("from_meta_iteration", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("cause", sa.Text()),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.CheckConstraint(
            "outcome IN ('running', 'finished', 'evicted', 'lost', 'error')",
            name=op.f("ck_mo_attempts_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["trial_id"],
            ["mo_trials.trial_id"],
            name="fk_mo_attempts_trial_id_mo_trials",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("attempt_id", name="pk_mo_attempts"),
        sa.UniqueConstraint("trial_id", "number", name="uq_mo_attempts_trial_id_number"),
    )


def _make_reports() -> None:
    op.create_table(
        "mo_reports",
        sa.Column("trial_id", sa.String(32), nullable=False),
        sa.Column("meta_iteration", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(53), nullable=False),
        sa.Column("stderr", sa.Float(53), nullable=False),
        sa.Column("low", sa.Float(53), nullable=False),
        sa.Column("high", sa.Float(53), nullable=False),
        sa.Column("median", sa.Float(53), nullable=False),
        sa.Column("trimmed_mean", sa.Float(53), nullable=False),
        sa.Column("standard_deviation", sa.Float(53), nullable=False),
        sa.Column("diverged_share", sa.Float(53), nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("curve", sa.JSON(), nullable=False),
        sa.Column("transductive", sa.Boolean(), nullable=False),
        sa.Column("device_seconds", sa.Float(53), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"],
            ["mo_trials.trial_id"],
            name="fk_mo_reports_trial_id_mo_trials",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("trial_id", "meta_iteration", name="pk_mo_reports"),
    )


def _make_asks() -> None:
    op.create_table(
        "mo_asks",
        sa.Column("study_id", sa.String(32), nullable=False),
        sa.Column("branch", sa.String(32), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("trial_number", sa.Integer(), nullable=False),
        sa.Column("params", sa.JSON()),
        sa.Column("outcome", sa.String(16)),
        sa.Column("value", sa.Float(53)),
        sa.Column("meta_iteration", sa.Integer()),
        sa.CheckConstraint("kind IN ('ask', 'tell')", name=op.f("ck_mo_asks_kind")),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["mo_studies.study_id"],
            name="fk_mo_asks_study_id_mo_studies",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("study_id", "branch", "sequence", name="pk_mo_asks"),
    )


def _make_events() -> None:
    op.create_table(
        "mo_events",
        sa.Column("event_id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("study_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["mo_studies.study_id"],
            name="fk_mo_events_study_id_mo_studies",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("event_id", name="pk_mo_events"),
    )
    op.create_index("ix_mo_events_study_id_event_id", "mo_events", ["study_id", "event_id"])


def _make_idempotency_keys() -> None:
    op.create_table(
        "mo_idempotency_keys",
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("api_key_id", sa.String(32), nullable=False),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        sa.Column("study_id", sa.String(32), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["mo_studies.study_id"],
            name="fk_mo_idempotency_keys_study_id_mo_studies",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key", "api_key_id", name="pk_mo_idempotency_keys"),
    )


def _make_api_keys() -> None:
    op.create_table(
        "mo_api_keys",
        sa.Column("api_key_id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT),
        sa.PrimaryKeyConstraint("api_key_id", name="pk_mo_api_keys"),
        sa.UniqueConstraint("sha256", name="uq_mo_api_keys_sha256"),
    )


def _make_dispatcher() -> None:
    op.create_table(
        "mo_dispatcher",
        sa.Column("singleton", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("refreshed_at", INSTANT, nullable=False),
        sa.CheckConstraint("singleton = 1", name=op.f("ck_mo_dispatcher_singleton")),
        sa.PrimaryKeyConstraint("singleton", name="pk_mo_dispatcher"),
    )
