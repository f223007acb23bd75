"""Policies: a text is stored under the hash of its content and never removed; a name points to its newest text."""

from __future__ import annotations

from core.fields import Message
from ledger.register_part import RegisterPart

DEFAULT = "default"


class StoredPolicy(Message):
    """A registered policy's text."""

    name: str
    content_hash: str
    text: str


class Policies(RegisterPart):
    """The register's policies."""

    async def keep(self, name: str, content_hash: str, text: str) -> None:
        """Store a text under its hash, and let the name point to it. A repeated call changes nothing."""
        await self._call("SELECT register_policy($1, $2, $3)", name, content_hash, text)

    async def newest(self, name: str | None) -> StoredPolicy | None:
        """The newest policy of this name, `default` if none is named; None if the name is not known."""
        return await self._one(
            StoredPolicy,
            "SELECT n.name, p.content_hash, p.text FROM policy_names n JOIN policies p USING (content_hash)"
            " WHERE n.name = $1",
            name or DEFAULT,
        )

    async def text(self, content_hash: str) -> str:
        """The text that an order began under."""
        text = await self._call("SELECT text FROM policies WHERE content_hash = $1", content_hash)
        if text is None:
            raise LookupError(f"no policy has the hash {content_hash}")
        return str(text)
