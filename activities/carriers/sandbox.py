"""The stand-in carrier's dialect: one POST, a status word, and all scans."""

from __future__ import annotations

from typing import Literal

from activities.carriers.asking import Questions, questions_about
from activities.carriers.base import Silence, TraceQuery, found, nothing_found, silent
from activities.carriers.reading import needs_phone
from activities.http import HttpClient
from core.audit.services import Codes
from core.audit.trace import Trace
from core.errors import Unavailable, UnreadableAnswer
from core.fields import Message
from core.messages import Scan

PROVIDER = "sandbox"
_SILENT_STATUS: dict[int, Silence] = {401: "auth", 403: "auth", 429: "throttled"}


class _Answer(Message):
    status: Literal["found", "no_trace", "unknown_carrier", "bad_number"]
    waybill: str
    scans: tuple[Scan, ...] = ()
    detail: str | None = None


class SandboxCarrier:
    """Asks the stand-in carrier, or anything that speaks its dialect."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    def serves(self, carrier: str) -> bool:
        """See `Carrier.serves`: it stands in for every carrier."""
        return True

    def questions(self, query: TraceQuery) -> Questions:
        """See `Asking.questions`: it knows a parcel under one name, perhaps with another phone."""
        return questions_about(query, Codes(("",), certain=True))

    async def trace(self, query: TraceQuery) -> Trace:
        """See `Carrier.trace`."""
        try:
            asked = query.model_dump(include={"carrier", "waybill", "phone_last4"}, exclude_none=True)
            reply = await self._http.post("track", asked)
            if why := _SILENT_STATUS.get(reply.status):
                return silent(query, PROVIDER, why, f"answered {reply.status}")
            if reply.status != 200:
                return silent(query, PROVIDER, "unavailable", f"answered {reply.status}")
            answer = reply.read(_Answer)
        except (Unavailable, UnreadableAnswer) as error:
            return silent(query, PROVIDER, "unavailable", str(error))
        if answer.waybill != query.waybill:
            return silent(query, PROVIDER, "unavailable", "answered about another waybill")
        if answer.status != "found":
            # It gives a detail only if the digits were not those of the label.
            unsure = needs_phone(query.carrier) and (answer.detail is not None or query.phone_last4 is None)
            return nothing_found(query, PROVIDER, answer.status, answer.detail, lacking="phone" if unsure else None)
        if not answer.scans:
            return silent(query, PROVIDER, "unavailable", "found the parcel, and gave no scan of it")
        return found(query, PROVIDER, answer.scans, answer.detail)
