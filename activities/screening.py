"""Screening: are these goods allowed here? The rules decide, and for some goods what licences the merchant has."""

from __future__ import annotations

from temporalio import activity

from core.messages import Order
from core.order.opening import Screening
from core.screening.judging import examine_goods
from core.screening.matching import Screener
from ledger.licences import Licences


class ScreeningActivities:
    """Screens orders against the rules it was given."""

    def __init__(self, screener: Screener, licences: Licences) -> None:
        self._screener = screener
        self._licences = licences

    @activity.defn
    async def screen(self, order: Order) -> Screening:
        """Allow, hold for a person, or refuse.

        Raises:
            Unavailable: the database did not answer about a licence; a retry helps.
        """
        examined = examine_goods(order, self._screener)
        if not examined.asks_for_licences:
            return examined.judge()
        return examined.judge(await self._licences.valid_of(order.merchant_id))
