"""What the venues say is so, made to agree with our books.

Goes in: `reconciler.run` (at the start and each minute), `adoption` (an operator), `exit_evidence`
(an exit that must know). What holds:

1. It sends nothing but cancels of orders whose absence it is about to infer.
2. Evidence comes before inference: an order is taken for absent only after a venue has said so
   often enough, from enough places, and the holdings have not moved (`rules`).
3. A fill is booked once, by its trade id, as ours only where the venue names our order
   (`unknown_fills`).
4. What is external is kept, said and left alone (`external_activity`).
"""
