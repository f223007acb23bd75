"""The penny drop's page in the Web UI, in markdown."""

from __future__ import annotations

from core.account_drop.state import AccountDropState
from core.account_drop.views import holds_of
from core.texts import clock


def details_of(state: AccountDropState) -> str:
    """Its phase, and what is awaited. The amount is never shown."""
    why = f": {state.detail}" if state.detail else ""
    if state.refusal is not None:
        return f"### Drop to {state.drop.account_id}\n\n**refused** `{state.refusal.code}`: {state.refusal.message}"
    lines = [
        f"### Drop to {state.drop.account_id}, key {state.drop.key}",
        "",
        f"**{state.phase}** since {clock(state.phase_since)}{why}; {state.looks} looks so far",
        "",
    ]
    for view in holds_of(state):
        until = f", asked again at {clock(view.expected_release)}" if view.expected_release else ""
        lines.append(f"- `{view.reason}` since {clock(view.since)}{until}; {view.who_can_act}: {view.what_helps}")
    return "\n".join(lines)
