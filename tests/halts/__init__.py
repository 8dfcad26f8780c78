"""`halt`, `pause` and a reload that disables a bot, while an entry waits for a slow venue.

A seed draws how long the entry waits at each point on its way (set-up, prices, account, limits,
connection, signing), and when the command comes: at a moment, or as the entry reaches a point. From
the instant that the command has returned, no order of an entry may arrive: by the venue's own log.
`python -m tests.halts` runs 200 seeds a venue.
"""
