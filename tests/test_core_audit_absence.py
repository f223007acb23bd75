"""How strong a "no trace" is: a source that serves the number, asked with what it needs, twice and apart."""

from __future__ import annotations

from typing import Any

import pytest
from audited_parcels import HONEST, a_parcel, a_trace, an_order, hour, scan, verdict_on

from core.audit.facts import NoTrace
from core.audit.trace import Trace, TraceAnswer
from core.audit.verdict import Verdict
from core.messages import Address

NUMBER = "SF6026131434978"


def no(at: float = 130, **fields: Any) -> Trace:
    return a_trace(answer="no_trace", at=at, **fields)


def earlier(*hours: float, **fields: Any) -> NoTrace:
    given = {"provider": "one", "first_at": hour(min(hours)), "last_at": hour(max(hours)), "looks": len(hours)}
    return NoTrace.model_validate({**given, **fields})


def heard(*traces: Trace, known: tuple[NoTrace, ...] = (), **facts: Any) -> Verdict:
    return verdict_on(traces=traces, parcel=a_parcel(no_trace=known, **facts), now=130)


def test_two_good_answers_apart_are_a_strong_absence() -> None:
    assert heard(no(), known=(earlier(80),)).carrier_says == "absent"


def test_one_good_answer_is_not_yet_one() -> None:
    assert heard(no()).carrier_says == "absent_once"
    assert heard(no(), known=(earlier(120),)).carrier_says == "absent_once"


@pytest.mark.parametrize("lacking", ["phone", "service"])
def test_the_answer_to_a_poor_question_says_nothing(lacking: str) -> None:
    verdict = heard(no(lacking=lacking), known=(earlier(10, 80, lacking=lacking),))
    assert verdict.carrier_says == "doubtful"
    assert verdict.doubts == ({"phone": "phone_missing", "service": "service_unasked"}[lacking],)


def test_a_good_answer_beside_a_poor_one_counts() -> None:
    verdict = heard(no(), no(provider="two", lacking="phone"), known=(earlier(80),))
    assert verdict.carrier_says == "absent"


def test_all_questions_to_a_provider_must_be_answered() -> None:
    express: dict[str, Any] = {"question": "dhlen", "questions": 2}
    paket: dict[str, Any] = {"question": "dhlde", "questions": 2}
    assert heard(no(**express), known=(earlier(80, **express),)).carrier_says == "doubtful"
    both = (earlier(80, **express), earlier(100, **paket))
    assert heard(no(**express), known=both).carrier_says == "absent"


def test_a_carrier_that_refuses_the_digits_knows_the_number() -> None:
    refused = a_trace(at=130, contact="refused", lacking="phone")
    verdict = heard(refused, no(provider="two"), known=(earlier(10, 80, provider="two"),))
    assert (verdict.carrier_says, verdict.doubts) == ("doubtful", ("phone_missing",))


@pytest.mark.parametrize("answer", ["throttled", "auth", "unavailable"])
def test_a_silence_now_makes_nothing_of_what_was_said_before(answer: TraceAnswer) -> None:
    assert heard(a_trace(answer=answer, at=130), known=(earlier(10, 100),)).carrier_says == "nothing"


@pytest.mark.parametrize("answer", ["throttled", "auth", "unavailable"])
def test_a_no_beside_a_provider_that_does_not_answer_is_no_strong_one(answer: TraceAnswer) -> None:
    silent, known = a_trace(answer=answer, at=130, provider="two"), (earlier(10, 80),)
    verdict = heard(silent, no(), known=known)
    assert (verdict.carrier_says, verdict.doubts) == ("doubtful", ("provider_silent",))
    said_no_too = (*known, earlier(20, 90, provider="two"))
    assert heard(silent, no(), known=said_no_too).carrier_says == "doubtful", "it may have the trace since"
    assert heard(silent, a_trace(*HONEST, at=130)).carrier_says == "scans"


def test_an_answer_of_another_day_is_none_of_now() -> None:
    assert heard(no(at=100), known=(earlier(10, 80),)).carrier_says == "nothing"
    pushed = a_trace(*HONEST[:2], at=130, provider="push")
    assert heard(pushed, known=(earlier(10, 80),)).carrier_says == "nothing"


def test_no_source_need_know_the_numbers_of_a_carrier_outside_the_table() -> None:
    verdict = heard(no(), known=(earlier(10, 80),), carrier="other", carrier_name="阿强快运")
    assert verdict.carrier_says == "doubtful"
    week = verdict_on(
        traces=(no(200),), parcel=a_parcel(no_trace=(earlier(10, 80),), carrier="other", carrier_name="x"), now=200
    )
    assert (week.outcome, week.reasons) == ("needs_review", ("carrier_known", "trace_exists"))


def test_a_number_that_is_likelier_anothers_is_not_absent() -> None:
    verdict = heard(no(waybill="YT9693083639795"), known=(earlier(10, 80),), waybill="YT9693083639795")
    assert (verdict.carrier_says, verdict.doubts) == ("doubtful", ("other_carrier_likelier",))


def test_in_an_outage_nothing_is_absent() -> None:
    verdict = heard(no(), known=(earlier(10, 80),), carrier_no_trace_share=0.9, carrier_answers=100)
    assert (verdict.carrier_says, verdict.doubts) == ("doubtful", ("carrier_out",))


def test_an_order_without_digits_says_what_is_missing() -> None:
    nowhere = Address(country="CN")
    verdict = verdict_on(traces=(no(),), order=an_order(ship_to=nowhere, ship_from=nowhere), now=130)
    assert "phone_missing" in verdict.doubts


@pytest.mark.parametrize(("label_at", "says"), [(100, "absent"), (125, "absent_once")])
def test_a_label_without_a_pickup_is_as_good_as_an_earlier_look(label_at: float, says: str) -> None:
    assert verdict_on(scan(label_at, "label"), now=130).carrier_says == says


def test_scans_of_another_time_do_not_make_a_parcel_absent() -> None:
    assert verdict_on(scan(-2000, "label"), scan(-1990, "delivered"), now=130).carrier_says == "doubtful"


def test_a_poor_no_rejects_nothing_and_says_why() -> None:
    poor = {"lacking": "phone"}
    verdict = verdict_on(traces=(no(at=300, **poor),), parcel=a_parcel(no_trace=(earlier(10, 200, **poor),)), now=300)
    assert verdict.outcome == "needs_review"
    assert "another phone" in verdict.sentences()[0]
    assert "?" not in verdict.sentences()[0]


def test_the_senders_digits_say_nothing_about_the_buyer() -> None:
    verdict = verdict_on(traces=(a_trace(*HONEST, contact="sender"),))
    contact = next(finding for finding in verdict.findings if finding.rule == "contact_matches")
    assert (verdict.outcome, contact.outcome) == ("approved", "unknown")
    assert "sender's" in contact.message


def test_of_many_questions_only_so_many_are_remembered() -> None:
    answers = [no(at=130, question=f"q{number}", questions=20) for number in range(20)]
    verdict = heard(*answers)
    assert (len(verdict.no_trace), verdict.carrier_says) == (8, "doubtful")


def test_the_history_travels_with_the_verdict() -> None:
    first = heard(no())
    assert verdict_on(traces=(no(at=150),), parcel=a_parcel(no_trace=first.no_trace), now=150).carrier_says == "absent"
    assert heard(a_trace(*HONEST, at=130), known=(earlier(10),)).no_trace == ()
