"""The kills at the vendors: the real adapter in the daemon that is killed, a simulator that is not.

`shared_time` is the one time of both, `venue` the simulator's process, `life` what is told of it in the
daemon's, `scenarios` what is traded where, `judge` the simulator's ledger against the daemon's books.
"""
