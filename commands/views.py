"""Orders, withdrawals and money as people read them: the parts of every command's tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from core.audit.explain import advice, sentence, title
from core.money import format_minor
from core.names import actor_name, entry_name, name_of
from core.texts import Language, clock, listed
from screens import Facts, Listing, facts, table

if TYPE_CHECKING:
    from ledger.balances import AccountBalance, TransferRow


def deadline_line(state: Mapping[str, Any], language: Language = "en") -> str:
    """`ship_by at 2026-11-24 16:00 UTC`; empty where nothing is waited for."""
    due = state.get("next_deadline")
    if not due:
        return ""
    return f"{worded('deadline', due['name'], language)}{' at ' if language == 'en' else ' '}{clock(due['at'])}"


def due_line(name: str | None, at: datetime | None, language: Language) -> str:
    """`ship_by 2026-11-24 16:00 UTC`; empty where nothing is waited for."""
    return f"{worded('deadline', name, language)} {clock(at)}" if name else ""


def worded(section: str, code: str | None, language: Language) -> str:
    """A code as a table says it: in Chinese by its name, in English as filters and scripts know it."""
    return (code or "") if language == "en" or not code else name_of(section, code, language)


def answer_facts(verb: str, subject: str, answer: Mapping[str, Any], language: Language) -> Facts:
    """A command's answer, its deadline as people read it."""
    sections = ("outcome", "phase", "audit", "receipt")
    said = {section: worded(section, answer[section], language) for section in sections if section in answer}
    due = deadline_line(answer, language)
    return facts(f"{worded('verb', verb, language)} {subject}", {**answer, **said, "next_deadline": due})


def paid_facts(title: str, view: Mapping[str, Any]) -> Facts:
    """What became of an amount, which people read in major units. `view` has `id outcome amount_minor currency`."""
    amount = format_minor(view["amount_minor"], view["currency"])
    return facts(title, {"id": view["id"], "outcome": view["outcome"], "amount": amount})


def order_facts(state: Mapping[str, Any], language: Language = "en") -> Facts:
    """An order at a glance."""
    order = state.get("order") or {}
    receipt = state.get("receipt") or {}
    total, currency = order.get("total_minor"), order.get("currency", "")
    return facts(
        f"Order {state.get('order_id')}",
        {
            "merchant": order.get("merchant_id"),
            "buyer": order.get("buyer_id"),
            "total": format_minor(total, currency) if total is not None else None,
            "phase": worded("phase", state.get("phase"), language),
            "audit": worded("audit", state.get("audit"), language),
            "receipt": _receipt(receipt, language),
            "after-sale": worded("after_sale", state.get("after_sale"), language),
            "waits for": deadline_line(state, language) or (_CLOSED[language] if state.get("closed") else None),
            "policy": (state.get("policy") or {}).get("name"),
        },
    )


def _receipt(receipt: Mapping[str, Any], language: Language) -> str:
    status, by = receipt.get("status"), receipt.get("by")
    if language == "zh":
        whom = f"（{name_of('role', by, language)}）" if by else ""
        return f"{worded('receipt', status, language)}{whom}"
    return " by ".join(filter(None, (status, by)))


_CLOSED: Mapping[Language, str] = {"en": "nothing, it is closed", "zh": "无，已关闭"}


def withdrawal_facts(state: Mapping[str, Any], language: Language = "en") -> Facts:
    """A withdrawal at a glance."""
    from core.withdrawal.texts import withdrawal_reason  # loaded when it is shown: most commands need no texts

    asked = state.get("withdrawal") or {}
    currency = asked.get("currency", "")
    return facts(
        f"Withdrawal {state.get('withdrawal_id') or asked.get('withdrawal_id')}",
        {
            "merchant": asked.get("merchant_id"),
            "amount": format_minor(asked["amount_minor"], currency) if asked else None,
            "fee": format_minor(state["fee_minor"], currency) if state.get("fee_minor") else None,
            "arrives": format_minor(state["net_minor"], currency) if state.get("fee_minor") else None,
            "came back": format_minor(back, currency) if (back := sum(state.get("returns_minor", ()))) else None,
            "account": asked.get("account_id"),
            "asked by": _who(":".join(asked["requested_by"].values()), language) if asked else None,
            "approved by": ", ".join(one["actor"]["id"] for one in state.get("approvals", ())),
            "policy": asked.get("policy"),
            "state": worded("phase", state.get("phase"), language),
            "because": withdrawal_reason(state.get("reason") or "", language, of_rail=state.get("phase") == "failed"),
            "waits for": deadline_line(state, language) or (_CLOSED[language] if state.get("closed") else ""),
        },
    )


def holds_table(holds: Sequence[Mapping[str, Any]], language: Language = "en") -> Listing:
    """Why the money has not arrived; in English where there is no Chinese text."""
    return table(
        "Why the money is not there",
        ("reason", "how much", "since", "expected by", "who can act", "what helps"),
        [
            (
                worded("hold", hold["reason"], language),
                format_minor(hold["amount_minor"], hold["currency"]) if hold.get("amount_minor") is not None else "",
                clock(hold["since"]),
                clock(hold.get("expected_release")),
                _who(hold["who_can_act"], language),
                (hold.get("what_helps_zh") if language == "zh" else None) or hold["what_helps"],
            )
            for hold in holds
        ],
    )


def _who(who: str, language: Language) -> str:
    """A role and an id, `operator:ann`: in Chinese the role by its name."""
    return who if language == "en" else actor_name(who, language)


def parcels_table(parcels: Sequence[Mapping[str, Any]], language: Language = "en") -> Listing:
    """Parcels, with the result of each audit."""
    return table(
        "Parcels",
        ("parcel", "carrier", "waybill", "audit", "picked up", "delivered", "rules"),
        [
            (
                parcel["parcel_id"],
                _carrier(parcel["carrier"], language),
                parcel["waybill"],
                worded("audit", "ended" if parcel.get("ended") else parcel["audit"], language),
                clock((parcel.get("verdict") or {}).get("first_physical_at") or parcel.get("pushed_physical_at")),
                clock((parcel.get("verdict") or {}).get("delivered_at")),
                _counts(parcel.get("verdict") or {}, language),
            )
            for parcel in parcels
        ],
    )


def _carrier(carrier_id: str, language: Language) -> str:
    from core.audit.waybills import carrier_name  # loaded when it is shown: the table of all carriers

    return carrier_id if language == "en" else carrier_name(carrier_id, language)


def _counts(verdict: Mapping[str, Any], language: Language) -> str:
    counted = Counter(finding["outcome"] for finding in verdict.get("findings", ()))
    said = (f"{count} {worded('rule_outcome', outcome, language)}" for outcome, count in sorted(counted.items()))
    return listed(said, language)


def findings_table(parcels: Sequence[Mapping[str, Any]], language: Language = "en") -> Listing | None:
    """What speaks against parcels, or is awaited, in sentences; None where there is nothing."""
    rows = []
    for parcel in parcels:
        verdict = parcel.get("verdict") or {}
        against = _against(verdict)
        for reason in dict.fromkeys((*verdict.get("reasons", ()), *against)):
            evidence = against.get(reason, {}).get("evidence", {})
            said, helps = sentence(reason, "fail", evidence, language), advice(reason, "fail", language)
            rule = reason if language == "en" else title(reason, language)
            rows.append((parcel["parcel_id"], rule, said, helps))
    return table("Findings", ("parcel", "rule", "what was found", "what helps"), rows) if rows else None


def reason_sentences(
    reasons: Sequence[str],
    verdict: Mapping[str, Any],
    language: Language = "en",
    kept: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[str]:
    """A sentence for each reason, from the verdict's evidence. `kept` is the evidence at the time of the reasons."""
    against = {rule: found.get("evidence", {}) for rule, found in _against(verdict).items()}
    evidence = {**against, **(kept or {})}
    return [
        sentence(reason, "fail", evidence.get(reason, {}), language)
        for reason in dict.fromkeys((*reasons, *verdict.get("reasons", ())))
    ]


def _against(verdict: Mapping[str, Any]) -> dict[str, Any]:
    return {found["rule"]: found for found in verdict.get("findings", ()) if found["outcome"] == "fail"}


def late_table(
    parcels: Sequence[Mapping[str, Any]], cases: Sequence[Mapping[str, Any]], language: Language
) -> Listing | None:
    """Late scans of parcels that no one waited for any more; None without any."""
    of_cases = [case[name] for case in cases for name in ("parcel", "replacement") if case.get(name)]
    rows = [
        (parcel["parcel_id"], clock(one["at"]), LATE_WORDS[one["what"]][language], clock(one["noted_at"]))
        for parcel in (*parcels, *of_cases)
        for one in parcel.get("late", ())
    ]
    return table("Late scans", ("parcel", "at", "what", "known at"), rows) if rows else None


LATE_WORDS: Mapping[str, Mapping[Language, str]] = {
    "delivered": {"en": "delivered", "zh": "已签收"},
    "came_back": {"en": "came back to the sender", "zh": "已退回寄件人"},
    "coming_back": {"en": "on its way back to the sender", "zh": "正在退回寄件人"},
    "moving": {"en": "on its way", "zh": "运输中"},
}


def refunds_table(state: Mapping[str, Any], language: Language = "en") -> Listing:
    """An order's money on its way back to the buyer."""
    from core.order.state import ScreeningHit  # loaded when it is shown, as above
    from core.order.texts import refund_reason

    currency = state["order"]["currency"]
    hits = [ScreeningHit.model_validate(one) for one in state.get("screening_hits", ())]
    return table(
        "Refunds",
        ("cause", "amount", "status", "since", "reference", "reason"),
        [
            (
                refund["cause"],
                format_minor(refund["amount_minor"], currency),
                worded("refund_status", refund["status"], language),
                clock(refund["since"]),
                refund.get("reference"),
                refund_reason(refund["reason"], language, hits),
            )
            for refund in state["refunds"]
        ],
        numbers=("amount",),
    )


def cases_table(cases: Sequence[Mapping[str, Any]], currency: str, language: Language = "en") -> Listing:
    """After-sale cases: what is asked for, the stage of each, and the last statement."""
    return table(
        "After-sale cases",
        ("case", "kind", "about", "reason", "stage", "until", "way back", "new goods", "said last"),
        [
            (
                case["case_id"],
                worded("case_kind", case["kind"], language),
                _scope(case, currency, language),
                worded("case_reason", case["reason"], language),
                _stage(case, language),
                clock((case.get("due") or {}).get("at")),
                (case.get("parcel") or {}).get("waybill"),
                (case.get("replacement") or {}).get("waybill"),
                _said_last(case, currency, language),
            )
            for case in cases
        ],
    )


def _scope(case: Mapping[str, Any], currency: str, language: Language) -> str:
    if case.get("amount_minor") is not None:
        return format_minor(case["amount_minor"], currency)
    one, whole = ("{} of line {}", "the whole order") if language == "en" else ("商品行 {1} 的 {0} 件", "整个订单")
    lines = case.get("lines") or ()
    return listed((one.format(part["quantity"], part["line_id"]) for part in lines), language) or whole


def _stage(case: Mapping[str, Any], language: Language) -> str:
    stage, closed_as = worded("case_stage", case["stage"], language), case.get("closed_as")
    if language == "zh" and closed_as:
        return f"{stage}（{name_of('case_stage', closed_as, language)}）"
    return " as ".join(filter(None, (stage, closed_as)))


def _said_last(case: Mapping[str, Any], currency: str, language: Language) -> str:
    said = case["said"][-1]
    amount = format_minor(said["amount_minor"], currency) if said.get("amount_minor") is not None else None
    who = f"{worded('role', said['by']['role'], language)} {worded('verb', said['verb'], language)}"
    return ("：" if language == "zh" else ": ").join(filter(None, (who, amount, said.get("text"))))


def payouts_table(attempts: Sequence[Mapping[str, Any]], language: Language = "en") -> Listing:
    """The payouts of a withdrawal."""
    return table(
        "Payouts",
        ("no", "rail", "key", "account", "outcome", "why"),
        [
            (
                attempt["number"],
                attempt["rail"],
                attempt["key"],
                f"…{attempt['account_last4']}" if attempt.get("account_last4") else "",
                worded("phase", attempt["outcome"], language),
                _failure(attempt.get("failure") or {}, language),
            )
            for attempt in attempts
        ],
        numbers=("no",),
    )


def _failure(failure: Mapping[str, Any], language: Language) -> str:
    """Why the rail refused a payout: its kind, in Chinese in words, and the rail's own code."""
    from core.withdrawal.texts import withdrawal_reason  # loaded when it is shown, as above

    said = " ".join(filter(None, (failure.get(part) for part in ("failure", "code"))))
    return said if language == "en" else withdrawal_reason(said, language, of_rail=True)


def retries_table(retries: Sequence[Mapping[str, Any]]) -> Listing:
    """The activities that are retried, and why."""
    return table(
        "Tried again",
        ("activity", "attempt", "next", "last failure"),
        [(_named(one), one["attempt"], clock(one["next_at"]), one["failure"]) for one in retries],
        numbers=("attempt",),
    )


def _named(retried: Mapping[str, Any]) -> str:
    """The activity's name, with its summary where that says more, such as the kind of a posting."""
    activity, summary = retried["activity"], retried.get("summary") or ""
    return summary if summary.startswith(activity) else f"{activity}: {summary}" if summary else activity


def journal_table(journal: Sequence[Mapping[str, Any]], language: Language = "en") -> Listing:
    """What came in, and the answers."""
    from core.answers import JournalEntry  # loaded when it is shown, as above
    from core.journal_notes import note_of

    return table(
        "Journal",
        ("no", "at", "by", "verb", "actor", "outcome", "why"),
        [
            (
                entry["seq"],
                clock(entry["at"]),
                worded("entry_channel", entry["channel"], language),
                entry["verb"] if language == "en" else entry_name(entry["verb"], language),
                _who(":".join((entry["actor"]["role"], entry["actor"]["id"])), language) if entry.get("actor") else "",
                worded("outcome", entry["outcome"], language),
                ": ".join(filter(None, (entry.get("code"), note_of(JournalEntry.model_validate(entry), language)))),
            )
            for entry in journal
            if "seq" in entry
        ],
        numbers=("no",),
    )


# --- from the register -----------------------------------------------------------------------------------


def accounts_table(accounts: Sequence[AccountBalance]) -> Listing:
    """Accounts of the ledger and their balances."""
    rows = [(account.path, format_minor(account.balance_minor, account.currency)) for account in accounts]
    return table("Accounts", ("account", "balance"), rows, numbers=("balance",))


def transfers_table(transfers: Sequence[TransferRow]) -> Listing:
    """What moved, in the order it happened."""
    return table(
        "Movements",
        ("reference", "from", "to", "amount", "at"),
        [
            (row.reference, row.debit, row.credit, format_minor(row.amount_minor, row.currency), clock(row.occurred_at))
            for row in transfers
        ],
        numbers=("amount",),
    )
