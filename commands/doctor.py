"""`doctor`: checks which servers answer, and that roles, search attributes, migrations and settings are right."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import gateway
from commands.console import Failed, JsonFlag, command, print_answer
from commands.postgres_findings import DoctorFinding, look_at_database
from commands.restore_findings import look_for_restore
from commands.service import ANSWER_WITHIN
from core.addresses import shown_url, split_login
from core.errors import DakuanError, Refused
from core.texts import clock
from screens import Cell, Listing, table

if TYPE_CHECKING:
    from temporalio.client import Client

    from config import Settings
    from wiring.addresses import ProviderCheck

NAMED_AT_MOST = 20
SIGNS_ON = timedelta(days=2)
"""A signing key that ends sooner must be replaced now."""
PORTS = {"payment channel": "channel_url", "bank": "bank_url"}


@command
async def doctor(as_json: JsonFlag = False) -> None:
    """Check everything that Dakuan depends on, and say how to repair what is wrong."""
    from config import load  # loaded when it runs, as are Temporal, HTTP and the vendors: no help text needs them

    settings = load()
    findings = [
        _settings(settings),
        _account_keys(settings),
        _codec(settings),
        *_signing(settings, datetime.now(UTC)),
        *await _temporal(settings),
        *await look_at_database(settings),
        *await _providers(settings),
        *await _ports(settings),
        *await _accounts(settings),
    ]
    ok = all(finding.ok for finding in findings if finding.required)
    print_answer(
        {"ok": ok, "findings": [vars(finding) for finding in findings]}, lambda console: console.print(_table(findings))
    )
    if not ok:
        raise Failed


def _settings(settings: Settings) -> DoctorFinding:
    local = settings.world_url is not None
    return DoctorFinding("settings", True, f"the local stack under {settings.home}" if local else "the environment")


def _account_keys(settings: Settings) -> DoctorFinding:
    keys = settings.account_keys
    helps = "" if keys else "set DAKUAN_ACCOUNT_KEYS; without it no account number can be bound, nor paid to"
    found = f"{len(keys)}, the newest is {next(iter(keys), 'none')}"
    return DoctorFinding("account keys", bool(keys), found, helps, required=False)


def _codec(settings: Settings) -> DoctorFinding:
    keys = settings.codec_keys
    if keys is None:
        helps = "where histories must not be readable: `keys codec FILE`, and DAKUAN_CODEC_KEYS for every process"
        return DoctorFinding("codec", False, "off: payloads in Temporal are plain", helps, required=False)
    gone = f", {len(keys.gone)} gone" if keys.gone else ""
    return DoctorFinding("codec", True, f"on: {keys.sealing} seals, {len(keys.keys)} open{gone}")


def _signing(settings: Settings, now: datetime) -> list[DoctorFinding]:
    """The key that signs what is sent, where one is set. From its end on every command is refused as `unproven`."""
    if settings.signing_key is None:
        return []
    from gateway.signing import read_signer

    helps = "`keys certify` a new one, put it in the place of the old, and start the process anew"
    try:
        known = read_signer(settings.signing_key).certificate
    except DakuanError as error:
        return [DoctorFinding("signing key", False, str(error), helps)]
    whom = f"{known.role}:{known.speaks_for}" if known.role else "everyone that this process has identified"
    word = "ended" if known.not_after <= now else "ends"
    lasts = known.not_after > now + SIGNS_ON
    found = f"speaks for {whom}, {word} {clock(known.not_after)}"
    return [DoctorFinding("signing key", lasts, found, "" if lasts else helps)]


# --- Temporal --------------------------------------------------------------------------------------------


async def _temporal(settings: Settings) -> list[DoctorFinding]:
    try:
        async with gateway.connected(settings) as client:
            return await _service(settings, client)
    except DakuanError as error:
        return [
            DoctorFinding(
                "temporal", False, str(error), "start it, or set TEMPORAL_ADDRESS; `starter.py up` brings one"
            )
        ]


async def _service(settings: Settings, client: Client) -> list[DoctorFinding]:
    address = f"{settings.temporal_address}, namespace {settings.temporal_namespace}"
    return [
        await _looked("temporal", lambda: _version(client, address), "look at the server's log"),
        await _looked(
            "search attributes",
            lambda: _attributes(client),
            "a worker registers them when it starts, where there is room",
        ),
        await _looked("worker", lambda: _workers(client), "do what it says"),
        await _looked(
            "workflows whose task fails",
            lambda: _failing(client),
            "run the code that they began with; they then go on by themselves",
        ),
        await _looked(
            "time skipping", lambda: _skipping(client), "only demonstrations and tests need it", required=False
        ),
        *await look_for_restore(settings, client),
    ]


async def _looked(
    name: str, look: Callable[[], Awaitable[tuple[bool, str]]], helps: str, *, required: bool = True
) -> DoctorFinding:
    """One check. A failure becomes its finding."""
    from temporalio.service import RPCError

    try:
        ok, found = await look()
    except DakuanError as error:
        ok, found = False, str(error)
    except RPCError as error:
        ok, found = False, error.message
    return DoctorFinding(name, ok, found, "" if ok else helps, required)


async def _version(client: Client, address: str) -> tuple[bool, str]:
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, GetSystemInfoRequest

    info = await client.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=ANSWER_WITHIN)
    await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=client.namespace), timeout=ANSWER_WITHIN
    )
    return True, f"server {info.server_version} at {address}"


async def _attributes(client: Client) -> tuple[bool, str]:
    found = await gateway.search_attributes(client)
    wrong = [f"{name}: {state}" for name, state in found.items() if state != "present"]
    if "missing" in found.values():
        wrong += await gateway.attributes_without_room(client)
    return not wrong, "; ".join(wrong) or f"all {len(found)} present, with their types"


async def _workers(client: Client) -> tuple[bool, str]:
    from core.ids import TASK_QUEUE

    there = await gateway.workers(client)
    if (why := there.why_idle) is not None:
        return False, why
    build = f", build {there.current} is current" if there.current else ""
    build += f", build {there.ramping} gets a share" if there.ramping else ""
    return True, f"task queue {TASK_QUEUE} is polled by {', '.join(sorted(there.workflows | there.activities))}{build}"


async def _failing(client: Client) -> tuple[bool, str]:
    """Workflows whose task fails again and again; not those whose task was once refused for a message that came
    meanwhile (`UnhandledCommand` in a history), which the service repeats by itself and which is harmless.
    """
    found = await gateway.failing(client, NAMED_AT_MOST)
    if not found:
        return True, "none; a single UnhandledCommand in a history is the service's own retry, and harmless"
    more = " and more" if len(found) == NAMED_AT_MOST else ""
    return False, ", ".join(f"{one.workflow_id} ({one.why})" for one in found) + more


async def _skipping(client: Client) -> tuple[bool, str]:
    """Whether time may be skipped, asked by a request about a workflow that cannot exist: it is refused either way,
    as not running where skipping is allowed.
    """
    try:
        await gateway.skip_time(client, "doctor/none", timedelta(seconds=1))
    except Refused:
        return True, "allowed"
    except DakuanError as error:
        return False, str(error)
    return True, "allowed"


# --- tracking providers ----------------------------------------------------------------------------------


async def _providers(settings: Settings) -> list[DoctorFinding]:
    """Whether each provider answers and accepts our account."""
    from wiring.carriers import check_providers

    try:
        checked = await check_providers(settings, datetime.now(UTC))
    except DakuanError as error:
        helps = "set DAKUAN_CARRIERS or DAKUAN_CARRIER_URL, or run `python starter.py up`"
        return [DoctorFinding("tracking providers", False, str(error), helps)]
    return [
        DoctorFinding(f"provider {one.name}", one.outcome in ("accepted", "cannot_tell"), *_sentence(one))
        for one in checked
    ]


def _sentence(checked: ProviderCheck) -> tuple[str, str]:
    """What was found, and how to repair it."""
    url = checked.url
    detail = f" ({checked.detail})" if checked.detail else ""
    match checked.outcome:
        case "accepted":
            return f"{url} answers, our account is accepted", ""
        case "cannot_tell":
            return f"{url} answers; whether our account is accepted is unknown{detail}", ""
        case "refused":
            return f"{url} refuses our account{detail}", "check its key and customer in the file of DAKUAN_CARRIERS"
    return f"{url} gives no answer of use{detail}", "look at its address and at the provider's own status"


# --- channel, bank ------------------------------------------------------------------------------


async def _ports(settings: Settings) -> list[DoctorFinding]:
    from config.rails import Rails

    given = settings.rails or Rails()
    # With real rails and channels no stand-in is needed.
    alone = {"channel_url": bool(given.channels), "bank_url": bool(given.rails)}
    found = [(name, field, getattr(settings, field)) for name, field in PORTS.items()]
    return [await _port(name, url, field) for name, field, url in found if url is not None or not alone[field]]


async def _port(name: str, url: str | None, field: str) -> DoctorFinding:
    import httpx2

    variable = f"DAKUAN_{field.upper()}"
    if url is None:
        return DoctorFinding(name, False, f"{variable} is not set", f"set {variable}, or run `python starter.py up`")
    shown, (plain, login) = shown_url(url), split_login(url)
    try:
        async with httpx2.AsyncClient(timeout=ANSWER_WITHIN.total_seconds(), trust_env=False, auth=login) as http:
            reply = await http.get(plain)
    except httpx2.HTTPError as error:
        return DoctorFinding(name, False, f"{shown} does not answer: {error or type(error).__name__}", "start it")
    return DoctorFinding(name, True, f"{shown} answers ({reply.status_code})")


# --- rails and channels ----------------------------------------------------------------------------------


async def _accounts(settings: Settings) -> list[DoctorFinding]:
    """Whether each account of DAKUAN_RAILS is accepted.

    Without the file there are only the bank and the payment channel.
    """
    from config.rails import Rails
    from wiring.rails import check_accounts

    try:
        checked = await check_accounts(settings)
    except DakuanError as error:
        return [DoctorFinding("accounts with rails", False, str(error), "look at the file of DAKUAN_RAILS")]
    given = settings.rails or Rails()
    rails = [(name, rail.account) for name, rail in given.rails.items()]
    paths = [*rails, *((name, channel.account) for name, channel in given.channels.items())]
    return [_account(one, [name for name, account in paths if account == one.name]) for one in checked]


def _account(checked: ProviderCheck, paths: list[str]) -> DoctorFinding:
    detail = f" ({checked.detail})" if checked.detail else ""
    sentences = {
        "accepted": f"{checked.url} answers, and both sides' signatures are right; for {', '.join(paths) or 'nothing'}",
        "refused": f"{checked.url} refuses our account{detail}",
        "cannot_tell": f"{checked.url} answers, and nothing that can be believed{detail}",
    }
    helps = {
        "accepted": "",
        "refused": "check its mchid, serial and private_key in the file of DAKUAN_RAILS",
        "cannot_tell": "check its platform_keys in the file of DAKUAN_RAILS, and this machine's clock",
    }
    found = sentences.get(checked.outcome, f"{checked.url} does not answer{detail}")
    return DoctorFinding(
        f"account {checked.name}",
        checked.outcome == "accepted",
        found,
        helps.get(checked.outcome, "look at its url in the file of DAKUAN_RAILS"),
    )


# --- for people ------------------------------------------------------------------------------------------


def _table(findings: list[DoctorFinding]) -> Listing:
    rows = [(finding.name, _mark(finding), finding.found, finding.helps) for finding in findings]
    return table("Doctor", ("what", "", "found", "what to do"), rows)


def _mark(finding: DoctorFinding) -> Cell:
    if finding.ok:
        return Cell(("ok",), "green")
    return Cell(("NO",), "bold red") if finding.required else Cell(("no",), "yellow")
