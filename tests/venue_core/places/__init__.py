"""The venues as a suite holds them: a simulator that is served, its market, and its ledger's words."""
