"""What people do with endpoints: make, verify, change, rotate, test, send again. Routes and commands both come here."""

from __future__ import annotations

import json
import math
import re
import secrets
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, StringConstraints
from throttled.rate_limiter import per_min

from core.event_types import unknown_type
from core.events import subject_of
from core.fields import Id, Message, Text, Time
from core.webhooks import OVERLAP, SECRETS_AT_MOST, TYPES_AT_MOST, PostAnswer, outcome_of
from ledger.endpoints import NewEndpoint, SealedSecret, StoredEndpoint
from ledger.register import Register
from ledger.vault import Vault
from storefront.delivery import body_of
from storefront.limits import too_many
from storefront.posting import Poster
from storefront.problems import ProblemError
from storefront.rates import Rate
from storefront.room import Room
from storefront.signing import SECRET_BYTES, make_secret, shown, signed
from storefront.targets import check_url

ENDPOINTS_AT_MOST = 20
"""Of one merchant, and of the platform."""
POSTS_AN_OWNER, POSTS = 4, 32
"""Challenges, tests and single events that a merchant, or the platform, waits for at a time."""
CHALLENGES = per_min(6)
"""Of one endpoint: a challenge goes to an address that has not agreed to get anything."""


_EVENT_PATTERN = r"^[a-z_]{1,40}\.(\*|[a-z_.]{1,60})$"


def _known(wanted: str) -> str:
    """An endpoint for a mistyped type would be active, and get nothing."""
    if not re.fullmatch(_EVENT_PATTERN, wanted):
        raise ValueError(
            "must be the name of an event such as order.credited, or the beginning of names such as order.*"
        )
    if (why := unknown_type(wanted)) is not None:
        raise ValueError(why)
    return wanted


EventPattern = Annotated[
    str,
    StringConstraints(strict=True),
    AfterValidator(_known),
    Field(json_schema_extra={"pattern": _EVENT_PATTERN}),
]
Url = Annotated[
    str,
    StringConstraints(strict=True, min_length=1),
    # For the document: what is wrong with an address is said by `storefront.targets`.
    Field(json_schema_extra={"format": "uri", "pattern": "^https?://[^/]"}),
]
Description = Annotated[str, StringConstraints(strict=True, max_length=200)]
EventTypes = Annotated[tuple[EventPattern, ...], Field(max_length=TYPES_AT_MOST)]


class EndpointAsked(Message):
    """An endpoint to be made. Without `types` it gets all events; `order.*` are all that begin so.

    `merchant_id`: only this merchant's; a merchant's key leaves it out.
    """

    url: Url
    merchant_id: Id | None = None
    description: Description = ""
    types: EventTypes = ()
    signing: Literal["v1", "v1a"] = "v1"


class EndpointChange(Message):
    """What is to be changed. `since`: with `active`, everything from this time on is sent again."""

    url: Url | None = None
    description: Description | None = None
    types: EventTypes | None = None
    state: Literal["active", "disabled"] | None = None
    since: Time | None = None


class Redelivery(Message):
    """What is sent again: one event, a subject from its beginning, or everything since a time."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    event: Text | None = None
    subject: Text | None = None
    since: Time | None = None


class Made(Message):
    """An endpoint with what its consumer verifies by: `whsec_…`, or `whpk_…`. It is shown when it is made."""

    endpoint: StoredEndpoint
    verify_with: str | None
    challenge: PostAnswer | None = None


class EndpointDesk:
    """Makes and changes endpoints.

    Args:
        poster: posts challenges and tests. It is another one than delivers: a consumer that lets its tests hang must
            not take the connections of other consumers' events.
    """

    def __init__(self, register: Register, vault: Vault, poster: Poster) -> None:
        self._register, self._vault, self._poster = register, vault, poster
        self._challenges = Rate(CHALLENGES)
        self._posts = Room("posts that are waited for", POSTS_AN_OWNER, POSTS)

    async def get(self, endpoint_id: str) -> StoredEndpoint:
        """An endpoint.

        Raises:
            ProblemError: `not_found`.
        """
        found = await self._register.endpoints.get(endpoint_id)
        if found is None:
            raise ProblemError("not_found")
        return found

    async def make(self, asked: EndpointAsked, new: dict[str, Any], now: datetime) -> Made:
        """Make an endpoint and challenge it. The same again is the same endpoint.

        Args:
            new: the fields of `NewEndpoint` that the asker does not choose.

        Raises:
            Refused: its URL may not be delivered to.
            ProblemError: another endpoint was asked for under this id, or there are too many.
        """
        check_url(asked.url, self._poster.reach)
        secret = make_secret(secrets.token_bytes(SECRET_BYTES), asymmetric=asked.signing == "v1a")
        wanted = NewEndpoint.model_validate({**asked.model_dump(), **new})
        outcome = await self._register.endpoints.add(wanted, secret, self._vault, at_most=ENDPOINTS_AT_MOST, now=now)
        if outcome == "other":
            raise ProblemError("command_id_used_with_different_content")
        if outcome == "too_many":
            raise ProblemError("too_many_endpoints", f"There are {ENDPOINTS_AT_MOST} endpoints: remove one first.")
        sealed = await self._secret_of(wanted.endpoint_id, wanted.asked_as, now)
        kept = shown(sealed.open(self._vault)) if sealed is not None else None
        endpoint = await self.get(wanted.endpoint_id)
        if outcome == "same" and endpoint.echoed_at is not None:
            return Made(endpoint=endpoint, verify_with=kept)
        answer = await self.challenge(endpoint, now)
        return Made(endpoint=await self.get(wanted.endpoint_id), verify_with=kept, challenge=answer)

    async def challenge(self, endpoint: StoredEndpoint, now: datetime) -> PostAnswer | None:
        """Ask the URL to echo a random text, and enable the endpoint where it does; what came back where it does not.

        Raises:
            ProblemError: `too_many_requests`.
        """
        if not self._challenges.take(endpoint.endpoint_id):
            most = self._challenges.most
            raise too_many(f"At most {most} challenges a minute.", self._challenges, endpoint.endpoint_id)
        text = secrets.token_urlsafe(24)
        answer = await self._send(endpoint, "endpoint.challenge", {"challenge": text}, now)
        if outcome_of(answer) == "delivered" and _echoes(answer.text, text):
            await self._register.endpoints.enable(endpoint.endpoint_id, endpoint.url, now)
            return None
        return answer

    async def change(self, endpoint: StoredEndpoint, change: EndpointChange, now: datetime) -> Made:
        """Change what is given. Another URL is challenged, and so is one that is to be active again.

        Raises:
            Refused: the URL may not be delivered to.
            ProblemError: `challenge_failed`; what was changed beside the state stands.
        """
        if change.url is not None:
            check_url(change.url, self._poster.reach)
        parts = self._register.endpoints
        await parts.change(endpoint.endpoint_id, url=change.url, description=change.description, types=change.types)
        if change.state == "disabled":
            await parts.disable(endpoint.endpoint_id, now)
        if change.since is not None:
            await parts.rewind(endpoint.endpoint_id, await self._register.events.before(change.since), now)
        changed = await self.get(endpoint.endpoint_id)
        moved = change.state != "disabled" and changed.url != endpoint.url
        if moved or (change.state == "active" and changed.state == "disabled"):
            await self._must_echo(changed, now)
        return Made(endpoint=await self.get(endpoint.endpoint_id), verify_with=None)

    async def _must_echo(self, endpoint: StoredEndpoint, now: datetime) -> None:
        answer = await self.challenge(endpoint, now)
        if answer is not None:
            came = answer.error or f"it answered {answer.status}"
            raise ProblemError("challenge_failed", f"The endpoint did not echo the challenge: {came}.")

    async def rotate(self, endpoint: StoredEndpoint, asked_as: str, now: datetime) -> tuple[str, datetime]:
        """Make another secret; the one before goes on beside it for a day. The same again makes no further one.

        Returns the secret, and when the last of the older ones ends.

        Raises:
            ProblemError: `under_way`: another rotation is; a retry helps. `too_many_requests`: as many secrets sign as
                may; each is a further signature in the header of every event.
        """
        rows = await self._register.endpoints.secrets(endpoint.endpoint_id, now)
        if len(rows) >= SECRETS_AT_MOST and all(row.asked_as != asked_as for row in rows):
            first = min(row.ends_at for row in rows if row.ends_at is not None)
            why = f"At most {SECRETS_AT_MOST} secrets sign at a time."
            raise ProblemError(
                "too_many_requests", why, headers={"Retry-After": str(math.ceil((first - now).total_seconds()))}
            )
        secret = make_secret(secrets.token_bytes(SECRET_BYTES), asymmetric=endpoint.signing == "v1a")
        ends = now + OVERLAP
        number = max((row.number for row in rows), default=0) + 1
        done = await self._register.endpoints.rotate(
            endpoint.endpoint_id, number, secret, self._vault, asked_as=asked_as, ends_at=ends
        )
        kept = await self._secret_of(endpoint.endpoint_id, asked_as, now)
        if done is None or kept is None:
            raise ProblemError("under_way")
        return shown(kept.open(self._vault)), kept.older_end_at or now

    async def _secret_of(self, endpoint_id: str, asked_as: str, now: datetime) -> SealedSecret | None:
        rows = await self._register.endpoints.secrets(endpoint_id, now)
        return next((row for row in rows if row.asked_as == asked_as), None)

    async def test(self, endpoint: StoredEndpoint, now: datetime) -> PostAnswer:
        """Send an `endpoint.test`.

        Raises:
            ProblemError: `challenge_failed`: its URL never echoed a challenge; `too_many_requests`.
        """
        self._verified(endpoint)
        return await self._send(endpoint, "endpoint.test", {"endpoint_id": endpoint.endpoint_id}, now)

    async def redeliver(self, endpoint: StoredEndpoint, what: Redelivery, now: datetime) -> PostAnswer | None:
        """Send again. One event goes at once, and what came back is the answer; the others are queued: None.

        Raises:
            ProblemError: `malformed` unless exactly one thing is given; `not_found`.
        """
        if sum(one is not None for one in (what.event, what.subject, what.since)) != 1:
            raise ProblemError("malformed", "Give one of event, subject and since.")
        self._verified(endpoint)
        if what.event is not None:
            return await self._again(endpoint, what.event, now)
        if what.subject is not None:
            page = await self._register.events.after(subject=what.subject, merchant_id=endpoint.merchant_id, limit=1)
            if not page.events:
                raise ProblemError("not_found", "The stream has no event of this subject.")
            await self._register.endpoints.resend(endpoint.endpoint_id, what.subject, page.events[0].seq, now)
        if what.since is not None:
            cursor = await self._register.events.before(what.since)
            await self._register.endpoints.rewind(endpoint.endpoint_id, cursor, now)
        return None

    async def _again(self, endpoint: StoredEndpoint, event_id: str, now: datetime) -> PostAnswer:
        event = await self._register.events.find(event_id) if subject_of(event_id) else None
        if event is None or endpoint.merchant_id not in (None, event.merchant_id):
            raise ProblemError("not_found", "The stream has no such event.")
        return await self._posted(endpoint, event.event_id, event.type, body_of(event), now)

    async def _send(self, endpoint: StoredEndpoint, kind: str, data: dict[str, str], now: datetime) -> PostAnswer:
        message_id = f"evt_{kind.partition('.')[2]}_{secrets.token_hex(12)}"
        body = {"id": message_id, "type": kind, "timestamp": now.isoformat().replace("+00:00", "Z"), "data": data}
        return await self._posted(endpoint, message_id, kind, json.dumps(body, separators=(",", ":")).encode(), now)

    async def _posted(
        self, endpoint: StoredEndpoint, message_id: str, kind: str, body: bytes, now: datetime
    ) -> PostAnswer:
        rows = await self._register.endpoints.secrets(endpoint.endpoint_id, now)
        keys: list[SecretStr] = [row.open(self._vault) for row in rows]
        with self._posts.held(endpoint.merchant_id or ""):
            answer = await self._poster.post(endpoint.url, body, signed(message_id, now, body, keys))
        await self._register.endpoints.note_attempt(endpoint.endpoint_id, message_id, kind, now, answer)
        return answer

    @staticmethod
    def _verified(endpoint: StoredEndpoint) -> None:
        if endpoint.echoed_at is None:
            raise ProblemError("challenge_failed", "The endpoint never echoed a challenge: set its state to active.")


def _echoes(answer: str, text: str) -> bool:
    """Whether an answer is the challenge, alone or as `{"challenge": …}`."""
    if answer.strip() == text:
        return True
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("challenge") == text


def view_of_answer(answer: PostAnswer) -> dict[str, Any]:
    """What came back, for people."""
    return {
        "delivered": outcome_of(answer) == "delivered",
        "status": answer.status,
        "answer": answer.text,
        "error": answer.error or None,
        "took_ms": round(answer.took / timedelta(milliseconds=1)),
    }
