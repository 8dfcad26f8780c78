"""One bot: its cycle, what a signal means for it, and what follows from the decision."""
