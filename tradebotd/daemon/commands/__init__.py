"""Commands of `tradebotd`: run, check, schema, migrate, flatten."""
