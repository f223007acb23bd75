"""`python -m bench faults`: withdrawals under faults, and the proof that the bank executes each once or not at all."""
