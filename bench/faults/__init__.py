"""`python -m bench faults`: withdrawals under fire, and the promise that the bank sees one effect each or none."""
