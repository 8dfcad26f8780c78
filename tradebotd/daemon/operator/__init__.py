"""What the control API answers: the operator's questions and commands."""
