"""PostgreSQL itself: pool, transactions, migrations, partitions, the embedded server."""
