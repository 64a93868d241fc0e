"""The only SQL: tables, migrations, one unit of work over all stores, the sequencer's tables, read models."""
