"""PostgreSQL: pool, transactions, migrations, partitions, the embedded server."""
