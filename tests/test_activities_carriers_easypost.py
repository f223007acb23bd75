"""EasyPost: its published samples, its weights, and its signed events."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from vendor_adapters import plain, query, way

from activities.carriers.base import PushContent
from activities.carriers.easypost import EasyPostCarrier, carrier_named, read_answer
from activities.http import Reply
from core.audit.trace import Trace
from core.errors import UnreadableAnswer
from local.dialects import SALT, push_of

READER = EasyPostCarrier(None, key="k", secret=SALT)  # type: ignore[arg-type]  # sends nothing


def answered(body: dict[str, Any], carrier: str, waybill: str) -> Trace:
    reply = Reply(status=200, raw=json.dumps(body).encode(), source="easypost")
    return read_answer(reply, query("easypost", waybill, carrier))


def tracker(*details: dict[str, Any] | None, **fields: Any) -> dict[str, Any]:
    return {
        "tracking_code": "1Z1",
        "carrier": "UPS",
        "status": "in_transit",
        "tracking_details": list(details),
        **fields,
    }


@pytest.mark.parametrize("place", ["NEW YORK", ["NEW YORK"], {"city": ["NEW YORK"]}])
def test_an_odd_place_loses_no_event(place: object) -> None:
    trace = answered(tracker(detail("delivered", tracking_location=place)), "ups", "1Z1")
    assert [(scan.stage, scan.city) for scan in trace.scans] == [("delivered", None)]


def detail(status: Any, status_detail: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"status": status, "status_detail": status_detail, "datetime": "2026-11-22T08:00:00Z", **fields}


def test_the_published_tracker_is_read(shared_data: Path) -> None:
    file = shared_data / "tracking_samples" / "easypost_trackers-retrieve.json"
    trace = answered(json.loads(file.read_text(encoding="utf-8")), "usps", "EZ1000000001")
    assert [(one.stage, one.city) for one in trace.scans] == [("label", None), ("label", "HOUSTON, TX")]


def test_the_published_event_is_read(shared_data: Path) -> None:
    raw = (shared_data / "tracking_samples" / "easypost_event-body.json").read_bytes()
    (pushed,) = READER.read_push(raw).parcels
    trace = pushed.trace
    assert (trace.carrier, trace.weight_g, len(trace.scans)) == ("fedex", 17418, 7)
    assert [one.stage for one in trace.scans][:3] == ["label", "picked_up", "arrived"]
    assert trace.scans[0].at == datetime(2024, 7, 31, 15, tzinfo=UTC)


def test_all_published_trackers_are_read(shared_data: Path) -> None:
    listed = json.loads((shared_data / "tracking_samples" / "easypost_trackers-list.json").read_text(encoding="utf-8"))
    for one in listed["trackers"]:
        carrier = {"USPS": "usps", "UPS": "ups", "FedEx": "fedex"}.get(one["carrier"], "usps")
        assert answered(one, carrier, one["tracking_code"]).answer in {"found", "no_trace"}


@pytest.mark.parametrize(
    ("given", "stage"),
    [
        (detail("failure", "refused"), "refused"),
        (detail("failure"), "exception"),
        (detail("return_to_sender"), "returning"),
        (detail("return_to_sender", "delivered"), "returned"),
        (detail("available_for_pickup"), "locker"),
        (detail("something_new"), "in_transit"),
    ],
)
def test_a_status_is_a_stage(given: dict[str, Any], stage: str) -> None:
    assert [one.stage for one in answered(tracker(given), "ups", "1Z1").scans] == [stage]


def test_a_return_that_arrives_is_no_delivery() -> None:
    assert answered(tracker(detail("delivered"), is_return=True), "ups", "1Z1").scans[-1].stage == "returned"


def test_an_unknown_tracker_has_no_trace_and_a_broken_one_is_silent() -> None:
    assert answered(tracker(status="unknown"), "ups", "1Z1").answer == "no_trace"
    assert answered(tracker(status="error"), "ups", "1Z1").answer == "unavailable"


@pytest.mark.parametrize("weight", [0, -1, 1e300, None])
def test_a_weight_that_is_none_is_not_told(weight: float | None) -> None:
    assert answered(tracker(detail("in_transit"), weight=weight), "ups", "1Z1").weight_g is None


# --- pushes ----------------------------------------------------------------------------------------------


def test_an_event_is_verified_by_its_header() -> None:
    body, headers = push_of("easypost", "ups", "1Z0000000000000001", plain(way()))
    lower = {name.lower(): value for name, value in headers.items()}
    assert READER.verified(body, lower)
    assert not READER.verified(body + b" ", lower)
    assert not READER.verified(body, {})
    forged = "hmac-sha256-hex=" + hmac.new(b"", body, hashlib.sha256).hexdigest()
    assert not EasyPostCarrier(None, key="k").verified(body, {"x-hmac-signature": forged})  # type: ignore[arg-type]  # sends nothing


def test_other_events_say_nothing_to_us() -> None:
    assert READER.read_push(b'{"description": "batch.created", "result": {}}') == PushContent()


def test_an_event_of_a_carrier_that_we_do_not_know_is_not_read() -> None:
    with pytest.raises(UnreadableAnswer, match="'Pigeon', which is none of ours"):
        READER.read_push(json.dumps({"description": "tracker.updated", "result": tracker(carrier="Pigeon")}).encode())


@pytest.mark.parametrize(
    ("name", "carrier"),
    [
        ("UPSDAP", "ups"),
        ("FedExDefault", "fedex"),
        ("FedexDefault", "fedex"),
        ("FedExSmartPost", "fedex"),
        ("UPSMailInnovations", "ups"),
        ("DHLPaket", "dhl"),
        ("DHL Express", "dhl"),
        ("CanadaPost", "canada_post"),
        ("DPDUK", "dpd"),
        ("FedExSameDay", "fedex"),
        ("RoyalMail", "royal_mail"),
        ("GLSDefault", "gls"),
        ("Pigeon", None),
        ("dap", None),
        ("", None),
        (None, None),
    ],
)
def test_easyposts_accounts_and_services_are_their_carriers(name: str | None, carrier: str | None) -> None:
    assert carrier_named(name) == carrier


def test_a_bad_event_spoils_no_other() -> None:
    bad = [detail("in_transit", datetime=""), detail(["in_transit"]), None]
    raw = json.dumps(
        {
            "description": "tracker.updated",
            "result": tracker(*bad, detail("delivered"), carrier="UPSDAP", weight="heavy", is_return="no"),
        }
    )
    content = READER.read_push(raw.encode())
    assert [[one.stage for one in pushed.trace.scans] for pushed in content.parcels] == [["delivered"]]
    assert len(content.unread) == 3


def test_no_history_is_no_scans() -> None:
    assert answered(tracker(tracking_details=None, status="unknown"), "ups", "1Z1").answer == "no_trace"
