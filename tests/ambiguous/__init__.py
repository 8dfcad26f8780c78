"""Orders whose outcome is ambiguous, each through the whole daemon: 12 faults, 3 truths, 4 orders, 3 venues.

`cases` says which there are, `trouble` what goes wrong, `scenario` what happens, and `judgement` what
may have come of it, by the venue's ledger. `python -m tests.ambiguous` runs them all.
"""
