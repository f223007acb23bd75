"""The books compared with statements: another party's mistake is found and explained, and disappears once corrected."""

from __future__ import annotations

from datetime import UTC, datetime

import gateway
from demo.stage import StagedOrder
from demo.stories.outcomes import Chapter, Outcome
from demo.stories.withdrawals import withdrawal_paid

BOOKS = Chapter()


@BOOKS.story("a bank that pays on its own: both payouts found by reconciliation, gone when reversed")
async def planted_breaks(play: StagedOrder) -> Outcome:
    await withdrawal_paid(play)
    withdrawal = play.stage.client.get_workflow_handle(f"withdrawal-w-{play.name}-1")
    state = await withdrawal.query("withdrawal")
    paid = str(state["attempts"][-1]["key"])
    foreign = "x" + "".join(letter for letter in play.name if letter.isalnum())
    wrong = ((paid, state["net_minor"]), (foreign, 12_345))

    for key, amount_minor in wrong:
        await play.stage.world.bank_errs(key, amount_minor, "CNY")
    found = await _reasons(play, "found", paid, foreign)
    for key, amount_minor in wrong:
        await play.stage.world.bank_errs(key, amount_minor, "CNY", effect="return")
    return "duplicate and extra, then nothing", f"{found}, then {await _reasons(play, 'mended', paid, foreign)}"


async def _reasons(play: StagedOrder, label: str, *keys: str) -> str:
    """The reasons of the breaks about these keys, from a reconciliation with the bank's own statement."""
    handle = await gateway.start_reconciliation(
        play.stage.client, "rail", "sandbox", datetime.now(UTC), label=f"{play.name}-{label}"
    )
    by_key = {one["key"]: one["reason"] for one in (await handle.result())["breaks"]}
    return " and ".join(by_key[key] for key in keys if key in by_key) or "nothing"
