"""Version 1: calls, their turns and their actions. Made by ``create_all`` before there were migrations.

``if_not_exists``: such a program, killed in its first start, left some of the tables and no version.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    versions = op.create_table("schema_version", sa.Column("version", sa.Integer, nullable=False), if_not_exists=True)
    op.create_table(
        "calls",
        sa.Column("call_id", sa.String(200), primary_key=True),
        sa.Column("writer", sa.String(200), nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("channel", sa.String(40), nullable=False),
        sa.Column("caller", sa.String(400), nullable=False),
        sa.Column("called", sa.String(400), nullable=False),
        sa.Column("flow", sa.String(200), nullable=False),
        sa.Column("outcome", sa.String(40), nullable=False),
        sa.Column("reason", sa.String(400), nullable=False),
        sa.Column("resolved", sa.Text, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("slots", sa.Text, nullable=False),
        sa.Column("media", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "turns",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("call_id", sa.String(200), sa.ForeignKey("calls.call_id"), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("speaker", sa.String(10), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("confidence", sa.Float),
        sa.Column("intent", sa.String(100), nullable=False),
        sa.Column("intent_confidence", sa.Float),
        sa.Column("step", sa.String(200), nullable=False),
        sa.Column("timings_ms", sa.Text, nullable=False),
        sa.Column("barged_in", sa.Boolean, nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("secret", sa.Boolean, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "actions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("call_id", sa.String(200), sa.ForeignKey("calls.call_id"), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("args", sa.Text, nullable=False),
        sa.Column("ok", sa.Boolean, nullable=False),
        sa.Column("error", sa.String(100), nullable=False),
        sa.Column("ms", sa.Float, nullable=False),
        if_not_exists=True,
    )
    for table, column in (("calls", "started_at"), ("turns", "call_id"), ("actions", "call_id")):
        op.create_index(f"ix_{table}_{column}", table, [column], if_not_exists=True)
    op.bulk_insert(versions, [{"version": 1}])
