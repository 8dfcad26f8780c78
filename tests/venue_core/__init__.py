"""The whole daemon against a real venue's simulator, in one process whose time is virtual.

Everything of the daemon is its own: configuration, wiring, jobs, schedules, adapter, network client,
PostgreSQL. Only prices come from a feed that a test moves. `loop` has the time, `places` the venues,
`daemon` a run, `books` what PostgreSQL says, beside the venue's ledger. A suite says what goes wrong:

    with machine() as one:
        one.run(lambda loop: ...)

An hour of market time costs what the daemon does in it, and nobody sleeps.
"""
