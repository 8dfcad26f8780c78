"""The order flow, from a signal to a closed trade.

    bots | operator        the origin: a strategy's cycle, or an operator's command
    entries | exits        what may be sent for it: size and price; stops, targets, ends
    reconciliation         what the venues report, and whose it is
    execution              an order written, sent once, and its outcome in the books
    account | prices       valuation, limits, days; the prices that may be acted on
    condition_alerts       one alert for each condition that keeps something from being done
    contradictions         impossible answers of a venue

Each imports only what stands below it (a contract in pyproject.toml).
"""
