"""Every way that money moves, by name."""

from __future__ import annotations

from channel_paths import CHANNEL_PATHS
from money_paths import MoneyPath
from order_paths import ORDER_PATHS
from other_paths import OTHER_PATHS

LISTS = (ORDER_PATHS, CHANNEL_PATHS, OTHER_PATHS)
PATHS: dict[str, MoneyPath] = {name: path for paths in LISTS for name, path in paths.items()}
