"""Scripts that run in the clients' environments: they import the client and `steps`, nothing else of ours."""
