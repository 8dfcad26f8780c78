"""The composition root: who gets what, wired by hand."""
