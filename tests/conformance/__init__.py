"""The vendors' own client libraries, unmodified, against the simulators.

`python -m tests.conformance [--client NAME]` makes an environment a client, starts the simulator in a
process of its own, runs the client's scripts and prints what passed.
"""
