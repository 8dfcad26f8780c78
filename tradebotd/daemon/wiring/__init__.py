"""Composition root: the construction of every component, without a container."""
