"""The account: its valuation, currency, limits, trading days and transfers."""
