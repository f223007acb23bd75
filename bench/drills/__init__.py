"""Drills of operating: what a person does after a loss, a restore or an upgrade, done on a stack of its own."""
