"""What `tradebotd` does: run, check, schema, migrate, flatten."""
