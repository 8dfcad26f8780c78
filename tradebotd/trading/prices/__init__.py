"""Prices that may be acted on: fresh ones, believed ones, of symbols that are not paused."""
