"""The steps from one version of the tables to the next, run by Alembic when a server starts (`record.upgrade`).

A step is one file of ``versions/``; its revision is its number in four digits. For a new one change `record.schema`
and its ``VERSION``, and write the file after the newest: a test compares what the two come to. SQLite and PostgreSQL
run the same file, and an older server may be writing meanwhile: new columns have a ``server_default``. There is no way
down but the backup. What SQLite cannot alter (``op.batch_alter_table``) needs foreign keys off in `upgrade` first.
"""
