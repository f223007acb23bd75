"""A client of the stand-ins: it gives them scans, plans and faults, and reads what they have done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from core.errors import BadInput, Unavailable
from core.messages import Scan
from local.bank import Outcome as PayoutOutcome
from local.carrier import ParcelAnswer
from local.channel import Outcome as RefundOutcome
from local.faults import Kind, Side, Verb
from local.journal import Effect


class WorldClient:
    """A connection to the stand-ins; an async context manager. Every method raises `Unavailable` if they are down, and
    `BadInput` if they cannot read a request.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        # No TLS on the loopback; this saves loading the machine's certificates.
        self._http = httpx2.AsyncClient(base_url=self.url, timeout=30, trust_env=False, verify=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # --- the carrier ---

    async def add_scans(
        self,
        carrier: str,
        waybill: str,
        scans: Iterable[Scan | Mapping[str, Any]],
        phone_last4: str | None = None,
    ) -> None:
        """Register a parcel, and add scans to its trace; the same scan again changes nothing."""
        plain = [scan.model_dump(mode="json") if isinstance(scan, Scan) else dict(scan) for scan in scans]
        await self._post(
            "carrier/scans", {"carrier": carrier, "waybill": waybill, "scans": plain, "phone_last4": phone_last4}
        )

    async def freeze(self, carrier: str, waybill: str, frozen: bool = True) -> None:
        """Show no newer scans of a parcel from now on; `frozen` False shows them all."""
        await self._post("carrier/freeze", {"carrier": carrier, "waybill": waybill, "frozen": frozen})

    async def mark(self, carrier: str, waybill: str, answer: ParcelAnswer | None) -> None:
        """Give this answer for a parcel, regardless of its scans; None: answer by the scans again."""
        await self._post("carrier/mark", {"carrier": carrier, "waybill": waybill, "answer": answer})

    async def pushed(self, waybill: str) -> bytes | None:
        """The body that Kuaidi100 would push now for a number; None if it is not subscribed, or has no scan."""
        reply = await self._http.get(f"kuaidi100/pushes/{quote(waybill, safe='')}")
        return reply.content if reply.status_code == 200 else None

    async def lock_numbers(self, seconds: float) -> None:
        """Let Kuaidi100 lock a number that is queried again within these seconds; 0: never."""
        await self._post("carrier/interval", {"seconds": seconds})

    # --- the payment channel ---

    async def add_payment(
        self, reference: str, amount_minor: int, currency: str, *, state: str = "paid", paid_at: str | None = None
    ) -> None:
        """Register a payment at the channel before its first query."""
        body = {"reference": reference, "amount_minor": amount_minor, "currency": currency, "state": state}
        await self._post("channel/payments", {**body, "paid_at": paid_at})

    async def plan_refunds(self, match: str, outcome: RefundOutcome, *, looks: int | None = 2) -> None:
        """Set the outcome of refunds of a payment, or under a key; `looks` None until `finish_refund`."""
        await self._post(
            "channel/plans", {"match": match, "outcome": outcome, "looks": looks, "code": "PAYER_ACCOUNT_CLOSED"}
        )

    async def finish_refund(self, key: str) -> None:
        """End a refund that is in progress."""
        await self._post("channel/refunds/finish", {"key": key, "state": "arrived"})

    async def refunded_minor(self, payment_reference: str) -> int:
        """The refunded amount of a payment."""
        return sum(one.amount_minor for one in await self._moved("refund", payment_reference))

    async def refund_effects(self, payment_reference: str) -> int:
        """The number of refunds of a payment."""
        return len(await self._moved("refund", payment_reference))

    async def charged_minor(self, payment_reference: str) -> list[int]:
        """What the buyer of a payment was charged again, each time."""
        return [one.amount_minor for one in await self._moved("charge", payment_reference)]

    async def _moved(self, effect: str, payment_reference: str) -> list[Effect]:
        return [one for one in await self.journal("channel", payment_reference) if one.effect == effect]

    async def charge_back(
        self,
        case_reference: str,
        payment_reference: str,
        amount_minor: int,
        *,
        fee_minor: int = 0,
        won: bool = False,
        at: str | None = None,
    ) -> None:
        """The channel takes a payment back for its customer, or gives it back again."""
        body = {"case_reference": case_reference, "payment_reference": payment_reference, "amount_minor": amount_minor}
        more = {"fee_minor": fee_minor, "outcome": "won" if won else "opened", "at": at}
        await self._post("channel/chargebacks", {**body, **more})

    async def settle(self, *, fee_bps: int = 60) -> list[dict[str, Any]]:
        """Let the channel settle what it holds; returns all settlements, as `{settlement_id, currency, gross_minor,
        fee_minor, at}`.
        """
        return list((await self._post("channel/settle", {"fee_bps": fee_bps}))["settlements"])

    # --- the bank ---

    async def plan_payouts(
        self,
        match: str,
        outcome: PayoutOutcome,
        *,
        looks: int | None = 2,
        code: str = "ACCOUNT_CLOSED",
        **more: Any,
    ) -> None:
        """Set the outcome of payouts to a token or last four digits, or under a key; see `local.bank.PayoutPlan`.

        `more` is `then`, `return_after_s`, `return_minor`.
        """
        await self._post("bank/plans", {"match": match, "outcome": outcome, "looks": looks, "code": code, **more})

    async def refuse_account(self, token: str, code: str = "ACCOUNT_CLOSED") -> None:
        """Fail all payouts to an account; the codes are in `activities.rails.sandbox.FAILURES`."""
        await self.plan_payouts(token, "failed", code=code)

    async def finish_payout(self, key: str, state: str = "paid", code: str | None = None) -> None:
        """End a payout that was accepted."""
        await self._post("bank/payouts/finish", {"key": key, "state": state, "code": code})

    async def return_payout(self, key: str, amount_minor: int | None = None) -> None:
        """Return a paid payout: a part, or all that is left of it."""
        await self._post("bank/payouts/return", {"key": key, "amount_minor": amount_minor})

    async def bank_errs(self, key: str, amount_minor: int, currency: str, *, effect: str = "payout") -> None:
        """Let the bank move money without an instruction; `effect="return"` brings such money back."""
        body = {"effect": effect, "key": key, "amount_minor": amount_minor, "currency": currency, "token": "mistake"}
        await self._post("bank/mistakes", body)

    async def remember_keys(self, seconds: float | None) -> None:
        """How long the bank remembers a key: after that the same key pays again. None: always."""
        await self._post("bank/window", {"seconds": seconds})

    async def callbacks(self) -> tuple[list[dict[str, Any]], int]:
        """The bank's callbacks to deliver now, at most some hundreds, and how many are left in all."""
        answer = await self._request("GET", "bank/callbacks")
        return list(answer["callbacks"]), int(answer["left"])

    async def acknowledge(self, seqs: Iterable[int]) -> None:
        """Mark callbacks as delivered; until then they come again."""
        await self._post("bank/callbacks", {"seqs": list(seqs)})

    async def payout_effects(self, token: str) -> int:
        """The number of payouts to an account."""
        return sum(effect.effect == "payout" for effect in await self.journal("bank", token))

    async def paid_minor(self, token: str) -> int:
        """The sum of payouts to an account, less returns."""
        effects = await self.journal("bank", token)
        return sum(effect.amount_minor * (1 if effect.effect == "payout" else -1) for effect in effects)

    # --- WeChat Pay ---

    async def wechatpay_callback(self, about: str, key: str) -> tuple[bytes, dict[str, str]]:
        """Body and headers of WeChat Pay's callback about a number of `transfer`, `withdraw` or `refund`: signed,
        encrypted, and with a new id each time.
        """
        made = await self._post("wechatpay/notifications", {"about": about, "key": key})
        return str(made["body"]).encode(), dict(made["headers"])

    # --- all stand-ins ---

    async def journal(self, on: Side, subject: str | None = None) -> list[Effect]:
        """Money that moved at the channel or the bank, in order: for one payment or payee's token, or all."""
        answer = await self._request("GET", "journal", params={"on": on})
        effects = [Effect.model_validate(effect) for effect in answer["effects"]]
        return [effect for effect in effects if subject in (None, effect.subject)]

    async def fault(
        self,
        on: Side | str,
        *,
        kind: Kind | str,
        match: str = "*",
        verb: Verb | None = None,
        times: int | None = 1,
        rate: float | None = None,
        seed: int = 0,
        **more: Any,
    ) -> int:
        """Add a fault; see `local.faults.Fault`. `times` None has no end; `more` is `status`, `seconds`, …

        Returns:
            The fault's number.
        """
        body = {"on": on, "kind": kind, "match": match, "verb": verb, "rate": rate, "seed": seed, **more}
        answer = await self._post("faults", {**body, "times": None if rate is not None else times})
        return int(answer["number"])

    async def faults(self) -> list[dict[str, Any]]:
        """The pending faults."""
        return list((await self._request("GET", "faults"))["faults"])

    async def clear_faults(self) -> None:
        """Remove all faults."""
        await self._request("DELETE", "faults")

    async def asked(self, on: Side, verb: Verb | None = None, match: str = "*") -> int:
        """The number of a stand-in's requests since its process started."""
        params = {"on": on, "match": match, **({"verb": verb} if verb else {})}
        return int((await self._request("GET", "asked", params=params))["asked"])

    async def tally(self) -> dict[str, int]:
        """`asked/SIDE/VERB` and `struck/SIDE/VERB/KIND` with counts, which survive killed processes."""
        return {name: int(n) for name, n in (await self._request("GET", "tally")).items()}

    async def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self._request("POST", path, json=body)

    async def _request(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            answer = await self._http.request(method, f"/{path}", **request)
        except httpx2.HTTPError as error:
            raise Unavailable(f"the stand-ins do not answer at {self.url}: {error}") from None
        if answer.status_code != 200:
            raise BadInput(f"{path}: {answer.text}")
        return dict(answer.json())
