"""Trials: the installed daemon against all simulators in real time, judged by their ledgers."""
