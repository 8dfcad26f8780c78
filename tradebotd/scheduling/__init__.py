"""Scheduling of jobs: due times, runs, records and outcomes. Knows no particular job."""
