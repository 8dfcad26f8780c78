"""One bot: its cycle, the meaning of a signal for it, and the execution of its decisions."""
