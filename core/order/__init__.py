"""The order: its state, what commands and deadlines do to it, and what the shell must do next."""
