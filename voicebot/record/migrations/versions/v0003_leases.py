"""Version 3: which servers write, so that the calls of one that is gone are closed by the others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table, and the index by which calls under way are found among millions."""
    op.create_table(
        "leases",
        sa.Column("instance", sa.String(40), primary_key=True),
        sa.Column("process", sa.String(400), nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("beats", sa.BigInteger, nullable=False),
    )
    under_way = sa.text("ended_at IS NULL")
    op.create_index("ix_calls_open", "calls", ["writer"], sqlite_where=under_way, postgresql_where=under_way)
