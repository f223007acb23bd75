"""Whose work goes first when more waits than the workers can do: a smaller number does.

Among work of one number the server gives each merchant a turn, so that one merchant's flood delays no other's orders.
"""

from __future__ import annotations

PEOPLE = 3
"""Workflows, and so the commands of people. The number of what has none."""
PAYOUTS = 4
"""Instructions to rails and questions about them. They take seconds or days on the other side."""
AUDITS = 5
"""Looks at carriers, and comparisons. They come again by themselves."""
