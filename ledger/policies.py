"""Policies: a text is stored under the hash of its content and never removed; a name points to one of them.

A worker registers texts, and points a new name to its first text. Only the owner's role moves a known name: that
changes the terms of business. Each move is stored with who made it and why.
"""

from __future__ import annotations

from datetime import datetime

from core.fields import Message
from core.merchants import MerchantStanding
from core.policy import Policy
from ledger.merchants import SAID, standing_of
from ledger.pool import open_pool
from ledger.register_part import RegisterPart

DEFAULT = "default"


class StoredPolicy(Message):
    """A registered policy's text."""

    name: str
    content_hash: str
    text: str


class PolicyMove(Message):
    """One change of a name. `from_hash` is None for a new name; `role` is the database role that made the change."""

    name: str
    from_hash: str | None
    to_hash: str
    who: str
    why: str
    role: str
    moved_at: datetime


class ListedPolicy(Message):
    """A registered name: the text that it points to, since when, by whom and why.

    `texts` is how many it ever pointed to, `open_orders` how many open orders follow any text of this name.
    """

    name: str
    content_hash: str
    moved_at: datetime
    who: str
    why: str
    role: str
    texts: int
    open_orders: int


_LIST = """
    SELECT n.name, n.content_hash, m.moved_at, m.who, m.why, m.role,
           (SELECT count(DISTINCT l.to_hash) FROM policy_moves l WHERE l.name = n.name) AS texts,
           (SELECT count(*) FROM orders o JOIN policies p ON p.content_hash = o.policy_hash
            WHERE p.name = n.name AND NOT o.closed) AS open_orders
    FROM policy_names n CROSS JOIN LATERAL (
        SELECT l.* FROM policy_moves l WHERE l.name = n.name ORDER BY l.id DESC LIMIT 1) AS m
    ORDER BY n.name
"""


class Policies(RegisterPart):
    """The register's policies."""

    async def keep(self, name: str, content_hash: str, text: str) -> bool:
        """Store a text under its hash, and point a new name to it. A repeated call changes nothing.

        Returns:
            Whether the name points to this text. A known name that points to another text is not moved.
        """
        return bool(await self._call("SELECT register_policy($1, $2, $3)", name, content_hash, text))

    async def move(self, policy: Policy, text: str, *, who: str, why: str) -> str | None:
        """Point the policy's name to this text. The cooling of the default policy becomes every account's safeguard.

        Only the owner's role may call it. Safe to repeat.

        Returns:
            The hash that the name pointed to before: None for a new name, the policy's own if nothing changed.
        """
        before = await self._call(
            "SELECT move_policy($1, $2, $3, $4, $5, $6)",
            *(policy.name, policy.content_hash, text, policy.withdrawal.cooling, who, why),
        )
        return None if before is None else str(before)

    async def moves(self, name: str) -> list[PolicyMove]:
        """The history of a name, the oldest change first."""
        columns = ", ".join(PolicyMove.model_fields)
        return await self._all(PolicyMove, f"SELECT {columns} FROM policy_moves WHERE name = $1 ORDER BY id", name)

    async def list(self) -> list[ListedPolicy]:
        """Every name, with its last move."""
        return await self._all(ListedPolicy, _LIST)

    async def newest(self, name: str | None) -> StoredPolicy | None:
        """The policy that this name points to, `default` if none is named; None if the name is not known."""
        return await self._one(
            StoredPolicy,
            "SELECT n.name, p.content_hash, p.text FROM policy_names n JOIN policies p USING (content_hash)"
            " WHERE n.name = $1",
            name or DEFAULT,
        )

    async def newest_for(self, name: str | None, merchant_id: str) -> tuple[StoredPolicy | None, MerchantStanding]:
        """As `newest`, with how a merchant stands: an order opens with one read of both."""
        row = await self._row(
            f"SELECT n.name, n.content_hash, n.text, {SAID}"
            " FROM (SELECT 1) AS one LEFT JOIN"
            " (SELECT q.name, p.content_hash, p.text FROM policy_names q JOIN policies p USING (content_hash)"
            " WHERE q.name = $2) AS n ON TRUE",
            merchant_id,
            name or DEFAULT,
        )
        assert row is not None  # the left join has one row
        stored = dict(row)
        standing = standing_of(stored.pop("grade"), stored.pop("said"))
        return (StoredPolicy.model_validate(stored) if stored["name"] is not None else None), standing

    async def text(self, content_hash: str) -> str:
        """The text that an order began under."""
        text = await self._call("SELECT text FROM policies WHERE content_hash = $1", content_hash)
        if text is None:
            raise LookupError(f"no policy has the hash {content_hash}")
        return str(text)


async def move_policy(owner_dsn: str, policy: Policy, text: str, *, who: str, why: str) -> str | None:
    """`Policies.move`, over a connection of the owner's.

    Raises:
        Unavailable: the database does not answer; a retry helps.
    """
    pool = await open_pool(owner_dsn, size=1)
    try:
        return await Policies(pool).move(policy, text, who=who, why=why)
    finally:
        await pool.close()
