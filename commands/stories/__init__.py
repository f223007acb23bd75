"""The stories of the demonstration: what may become of an order or a withdrawal, one function each.

`STORIES` has them all by name, in the order in which the demonstration tells them.
"""

from commands.stories.audits import AUDITS
from commands.stories.books import BOOKS
from commands.stories.orders import ORDERS
from commands.stories.telling import Story
from commands.stories.wechatpay import WECHATPAY
from commands.stories.withdrawals import WITHDRAWALS

STORIES: dict[str, Story] = {**ORDERS, **AUDITS, **WITHDRAWALS, **WECHATPAY, **BOOKS}
