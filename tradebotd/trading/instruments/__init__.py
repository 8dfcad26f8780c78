"""What a venue tells of its symbols: filters and status, which may change, and commissions.

`refresh` is the one place that changes the instruments in force; everybody else reads `symbols`.
"""
