"""Storage: all SQL, one module for a table or two."""
