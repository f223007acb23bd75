"""Policies as activities use them: read by name or by hash, each text parsed once a process."""

from __future__ import annotations

from core.merchants import MerchantStanding
from core.policy import Policy, parse_policy
from ledger.policies import Policies

KEPT = 64
"""How many parsed policies a process keeps; few are in use at a time."""


class ParsedPolicies:
    """The register's policies, parsed. The text under a hash never changes, so a parsed policy stays valid."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self._parsed: dict[str, Policy] = {}

    async def newest_for(self, name: str | None, merchant_id: str) -> tuple[Policy | None, MerchantStanding]:
        """The newest policy of this name, `default` if none is named, and how a merchant stands.

        The policy is None if the name is not known.

        Raises:
            Unavailable: the database did not answer; a retry helps.
        """
        stored, standing = await self._policies.newest_for(name, merchant_id)
        if stored is None:
            return None, standing
        return self._parsed.get(stored.content_hash) or self._keep(stored.text), standing

    async def of(self, content_hash: str) -> Policy:
        """The policy whose text has this hash.

        Raises:
            Unavailable: the database did not answer; a retry helps.
            LookupError: the text is not registered: this is another database. A retry does not help.
        """
        return self._parsed.get(content_hash) or self._keep(await self._policies.text(content_hash))

    def _keep(self, text: str) -> Policy:
        policy = parse_policy(text)
        while len(self._parsed) >= KEPT:
            del self._parsed[next(iter(self._parsed))]
        self._parsed[policy.content_hash] = policy
        return policy
