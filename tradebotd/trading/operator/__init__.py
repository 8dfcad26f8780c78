"""What an operator may command."""
