"""The stories of the demonstration: what can happen to an order or a withdrawal, one function each.

`STORIES` has them all by name, in the order in which the demonstration plays them. Those of `ALONE` come after all
others, one at a time.
"""

from demo.stories.afterwards import AFTERWARDS
from demo.stories.audits import AUDITS
from demo.stories.books import BOOKS
from demo.stories.cases import CASES
from demo.stories.labels import LABELS
from demo.stories.merchants import MERCHANTS
from demo.stories.modes import MODES
from demo.stories.orders import ORDERS
from demo.stories.outages import OUTAGES
from demo.stories.outcomes import Story
from demo.stories.storefront import STOREFRONT
from demo.stories.taken_back import TAKEN_BACK
from demo.stories.wechatpay import WECHATPAY
from demo.stories.withdrawals import WITHDRAWALS

STORIES: dict[str, Story] = {
    **ORDERS,
    **CASES,
    **AFTERWARDS,
    **MODES,
    **TAKEN_BACK,
    **AUDITS,
    **LABELS,
    **WITHDRAWALS,
    **MERCHANTS,
    **WECHATPAY,
    **STOREFRONT,
    **BOOKS,
    **OUTAGES,
}
ALONE = frozenset(OUTAGES)
