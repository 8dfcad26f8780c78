"""Seconds without a stop: the whole daemon against each venue's simulator, 300 ms away, in virtual time.

A seed draws positions and what befalls their stops: an entry in parts or whose answer is late or
lost, a stop that is cancelled outside, expired, rejected, moved, refused or lost on its way, a cut
stream, an event that is lost, a daemon that dies or is started again. The venue's own ledger says,
look by look, whether what is held has a stop; the daemon's `unprotected_seconds` must not say less.

    python -m tests.protection --venue spot --seeds 100 --results FILE
    python -m tests.protection --venue usdm --plan "in parts > moved, stream cut > liquidated" --trace
"""
