"""One order: committed before it is sent, sent once, its answer and its fills booked once."""
