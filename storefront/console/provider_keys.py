"""The keys that the provider of identities signs with: kept for some minutes, and asked for again once they change."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

KEPT_FOR = 600.0
"""Seconds. A key that the provider took back is believed for so long."""
UNFIT = (JoseError, ValueError, KeyError, TypeError)
"""What a token that no key signed raises; the last two where keys have no form that there is."""

Ask = Callable[[], Awaitable[Any]]


@dataclass
class ProviderKeys:
    """The published keys, as they were when last asked for.

    Args:
        clock: seconds that never run backwards.
    """

    clock: Callable[[], float] = time.monotonic
    _keys: KeySet | None = None
    _asked_at: float = field(default=0.0)

    async def verified(self, token: str, algorithms: Sequence[str], ask: Ask) -> jwt.Token:
        """The token, if one of the keys signed it.

        Args:
            ask: what the provider publishes now.

        Raises:
            UNFIT: none did, or the token or the keys have no form that there is.
        """
        if self._keys is not None and self.clock() - self._asked_at <= KEPT_FOR:
            try:
                return self._decoded(token, algorithms)
            except UNFIT:
                pass  # the provider may have changed its key a moment ago
        await self._renew(ask)
        return self._decoded(token, algorithms)

    def _decoded(self, token: str, algorithms: Sequence[str]) -> jwt.Token:
        assert self._keys is not None
        return jwt.decode(token, self._keys, algorithms=list(algorithms))

    async def _renew(self, ask: Ask) -> None:
        published = await ask()
        self._keys = KeySet.import_key_set(published)
        self._asked_at = self.clock()
