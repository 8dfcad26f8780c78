"""Reconciliation: our books are made to agree with what the venues say.

Entry points: `reconciler.run` (at the start and each minute), `adoption` (an operator),
`exit_evidence` (an exit that must know). Invariants:

1. It sends nothing but cancels of orders whose absence it is about to infer.
2. Evidence comes before inference: an order is taken for absent only after a venue has said so
   often enough, from enough places, and the holdings have not moved (`rules`).
3. A fill is booked once, by its trade id, as ours only where the venue names our order
   (`unknown_fills`).
4. External activity is recorded, reported and left alone (`external_activity`).
"""
