"""What Alembic runs to migrate: the steps that are missing, in the transaction that `voicebot.record.upgrade` holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo


def _count(ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]) -> None:
    """Keep ``schema_version`` at the step's number: it is what programs of any age read."""
    if ctx.connection is not None and isinstance(step.up_revision_id, str):
        ctx.connection.execute(sa.text("UPDATE schema_version SET version = :to"), {"to": int(step.up_revision_id)})


context.configure(connection=context.config.attributes["connection"], on_version_apply=_count)
with context.begin_transaction():
    context.run_migrations()
