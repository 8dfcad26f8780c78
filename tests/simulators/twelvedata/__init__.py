"""Twelve Data on the loopback: REST and the price stream. Shares no code with the daemon."""
