"""The order flow, from a signal to a closed trade.

    bots | operator        who wants something: a strategy's cycle, or a command
    entries | exits        what may be sent for it: size and price; stops, targets, ends
    reconciliation         what the venues say is so, and whose it is
    execution              an order written, sent once, and what came of it in the books
    account | prices | instruments
                           what all is worth, limits, days; which prices may be acted on; filters,
                           status and fees as the venues tell them
    venue_state            venues that are away, interrupted or off the clock
    condition_alerts       one alert for each thing that keeps something from being done
    contradictions         what a venue says that cannot be so

Each imports only what stands below it (a contract in pyproject.toml).
"""
