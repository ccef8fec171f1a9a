"""Version 2: the events of the journal, and why a turn was decided as it was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table and the columns; old rows get the defaults."""
    op.create_table(
        "events",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("call_id", sa.String(200)),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
    )
    op.create_index("ix_events_call_id_number", "events", ["call_id", "number"])
    op.add_column("calls", sa.Column("flow_hash", sa.String(64), nullable=False, server_default=sa.text("''")))
    op.add_column("turns", sa.Column("rule", sa.String(100), nullable=False, server_default=sa.text("''")))
    op.add_column("turns", sa.Column("trace", sa.Text, nullable=False, server_default="{}"))
    op.add_column("turns", sa.Column("alternatives", sa.Text, nullable=False, server_default="[]"))
    op.add_column("turns", sa.Column("found", sa.Text, nullable=False, server_default="{}"))
    op.add_column("turns", sa.Column("failures", sa.Integer, nullable=False, server_default="0"))
    op.add_column("actions", sa.Column("token", sa.String(200), nullable=False, server_default=sa.text("''")))
    op.add_column("actions", sa.Column("write", sa.Boolean, nullable=False, server_default=sa.false()))
