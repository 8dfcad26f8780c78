"""All the SQL there is: one module a table or two."""
