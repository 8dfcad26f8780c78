"""Venues as they are to us at this moment: banned, interrupted, off the clock, not as set up."""
