"""Implementation of the control API: queries and commands of an operator."""
