"""Seconds without guard: the real order path against each venue's simulator, 300 ms away.

A seed draws positions and what befalls their stops: expired, rejected, cancelled by hand, replaced by
somebody else, moved by the operator, a cut stream, a daemon that dies. The simulator's own ledger
says, every few milliseconds, whether what is held has a stop; the daemon's `unprotected_seconds`
must not say less. `python -m tests.protection --venue spot --seeds 50 --results FILE`.
"""
