"""The account: its worth, its currency, its limits, its days, and what came in or left."""
