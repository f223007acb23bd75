"""Writes the contract, events, codes and a JSON Schema per message from the models: `make docs`. A test compares."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from core.aftersale.messages import Evidence
from core.answers import Answer, HoldView, JournalEntry, NextDeadline
from core.budgets import COMMAND_WEIGHS, UPDATES_WEIGH
from core.fields import Message
from core.ids import ORDER_WORKFLOW, TASK_QUEUE, WITHDRAWAL_WORKFLOW
from core.messages import (
    ORDER_COMMANDS,
    WITHDRAWAL_COMMANDS,
    Actor,
    Address,
    Command,
    Line,
    LineQuantity,
    Order,
    ParcelReport,
    Payment,
    Role,
    Scan,
    Withdrawal,
)
from core.order.commands import VERBS as ORDER_VERBS
from core.order.state import Phase as OrderPhase
from core.order.state import Receipt
from core.parcels import AuditStage
from core.reason_texts import REASONS
from core.reasons import Refusal
from core.search_attributes import SEARCH_ATTRIBUTES
from core.sender_proofs import Certificate, SenderProof
from core.withdrawal.commands import VERBS as WITHDRAWAL_VERBS
from core.withdrawal.state import Phase as WithdrawalPhase
from docs import codes, events, examples
from docs.blocks import json_block, prose, table, words
from docs.notices import NOTICES

HERE = Path(__file__).parent
DIALECT = "https://json-schema.org/draft/2020-12/schema"

RECEIVED: tuple[type[Message], ...] = (Order, Withdrawal, *ORDER_COMMANDS.values(), *WITHDRAWAL_COMMANDS.values())
ANSWERED: tuple[type[BaseModel], ...] = (Answer, JournalEntry, HoldView, Refusal)
ROLES_OF: Mapping[type[Command], frozenset[str]] = {
    command: verb.roles for verbs in (ORDER_VERBS, WITHDRAWAL_VERBS) for command, verb in verbs.items()
}
_REFUSED = (
    '; of a run that was refused before it opened `{"phase", "refusal": {"code", "message", "field"?}}`:'
    " the phase of what the register has under this id, or `not_opened`"
)
QUERIES = {
    "order": "the whole state of an order as JSON: regions, lines, parcels, refunds, holds, next deadline" + _REFUSED,
    "withdrawal": "the whole state of a withdrawal as JSON: phase, approvals, payouts, holds, next deadline; of a run"
    " that was refused before it opened the same, its phase being `not_opened`",
    "journal": "what came in and what was answered, oldest first: a list of [JournalEntry](#journalentry);"
    ' where entries were let go, a last line counts them: `{"dropped": {code: count}}`',
    "holds": "why the money is not here: a list of [HoldView](#holdview)",
}


def pages() -> dict[str, str]:
    """Path below `docs/` → text, of all that is generated."""
    return {"contract.md": contract(), "events.md": events.page(), "codes.md": codes.page()} | {
        f"schemas/{name}.json": text for name, text in schemas().items()
    }


def schemas() -> dict[str, str]:
    """Name of the message → its JSON Schema."""
    received = {model.__name__: model.model_json_schema(mode="validation") for model in RECEIVED}
    answered = {model.__name__: model.model_json_schema(mode="serialization") for model in ANSWERED}
    return {
        name: json.dumps({"$schema": DIALECT, **schema}, ensure_ascii=False, indent=2) + "\n"
        for name, schema in {**received, **answered}.items()
    }


# --- contract.md: sections of blocks, a blank line between any two ------------------------------------------

Blocks = Iterator[str]


def contract() -> str:
    """The page that a storefront's engineer reads."""
    sections: Sequence[Callable[[], Blocks]] = (
        _intro,
        _order,
        _sending,
        _order_commands,
        _answers,
        _queries,
        _withdrawals,
        _notices,
        _codes,
        _search,
    )
    return "\n\n".join(block for section in sections for block in section()) + "\n"


def _intro() -> Blocks:
    yield prose("""
        # The contract

        Generated from the models by `make docs`; change `core/messages.py`, not this page. Names and shapes are added,
        never renamed or reused. A JSON Schema for each message is in [`schemas/`](schemas).
        """)
    yield table(
        ("what", "name"),
        [
            ("task queue", f"`{TASK_QUEUE}`"),
            ("an order's workflow", f"type `{ORDER_WORKFLOW}`, id `order-{{order_id}}`"),
            ("a withdrawal's workflow", f"type `{WITHDRAWAL_WORKFLOW}`, id `withdrawal-{{withdrawal_id}}`"),
            ("namespace", "from the configuration; anyone who may write to it may claim any role"),
        ],
    )
    rules = prose(f"""
        - **Payloads** are plain JSON (`json/plain`), one object each. Unknown fields are ignored when they come through
          Temporal, and refused in files and on the command line. An order with a field that says who its buyer is
          (a street, a name, a nickname, a phone, an e-mail, the id of a messenger such as `qq` or `wechat_id`) is
          refused as `invalid_order`, in its lines, its payment and unknown objects, too: what is ignored would stay in
          the history. The refusal names the field, and the register keeps nothing of it. The HTTP gateway drops such
          fields, and names them in `dropped`.
          **A plain client of Temporal must not send them at all**: even what is refused stays in a history for as long
          as Temporal keeps it, and only our own clients seal what they send (`DAKUAN_CODEC_KEYS`).
        - **Sizes**: a command or a start has at most {COMMAND_WEIGHS:,} bytes. `starter.py` refuses a larger one before
          it is sent. The service takes an update of up to 4 MiB from a plain client, but no worker can answer one over
          2 MiB: its workflow then answers no one for about 20 s a try. Let the server refuse it: set
          `history.maxInFlightUpdatePayloads` to {UPDATES_WEIGH} in its dynamic configuration, as the local stack does.
          The sender then gets `RESOURCE_EXHAUSTED`, and the workflow answers all others.
        - **Ids** are `[A-Za-z0-9_-]{{1,64}}`.
        - **Money** is an integer of minor units with an ISO 4217 currency, at most 10^15. `1.0`, `"1"` and `true` are
          no integers.
        - **Times** are RFC 3339 with an offset, in the years 1970 to 2199: `2026-11-22T16:00:00+08:00`. Answers are in
          UTC.
        - **Texts** hold no control characters except tab and new line.
        - A field that is not required may be left out; where a type says *or null*, null means the same.
        """)
    yield f"{rules}\n- **Roles**: {words(get_args(Role))}."


def _order() -> Blocks:
    yield prose("""
        ## Start an order

        The input of `OrderWorkflow`. A malformed order fails the workflow at once with the type `invalid_order` and the
        reasons field by field. The same order again gets the first answer; another body under its id is refused.

        Set the id reuse policy `ALLOW_DUPLICATE_FAILED_ONLY` and the id conflict policy `USE_EXISTING`: an order that
        runs is then returned, and one that is over is not started again. Under Temporal's default policy, and once
        Temporal has forgotten the order, it is started again: that run ends at once as the order ended and moves no
        money. With another body it fails as `order_exists_with_different_content`; `starter.py show` has the order from
        the register.
        """)
    yield json_block(examples.ORDER)
    for model in (Order, Line, Payment, Address):
        yield from _fields(model)
    yield prose("""
        `total_minor` is the goods plus freight less discount, and `payment.paid_minor` covers it; one payment may be
        for several orders. `policy` is the name of a registered policy. Streets, names and whole phone numbers never
        enter.
        """)


def _sending() -> Blocks:
    yield prose("""
        ## Commands

        Each verb is an Update and a Signal of that name, with one JSON argument. Every command carries
        """)
    yield table(
        ("field", "type", "required"),
        [
            (
                "`command_id`",
                "id",
                "yes, the sender's own: the same id again gets the first answer and changes nothing",
            ),
            ("`actor`", "[Actor](#actor)", "yes: who sends it, a party of this order or a role of the platform"),
            ("`proof`", "[SenderProof](#senderproof)", "where the order's policy asks for proofs of identity"),
        ],
    )
    for model in (Actor, SenderProof, Certificate):
        yield from _fields(model)
    yield "With the `temporal` command line:"
    yield f"""```sh
temporal workflow update execute --workflow-id order-A1001 --name confirm_receipt \\
  --input '{json.dumps(examples.command("confirm_receipt"))}'
```"""


def _order_commands() -> Blocks:
    yield "### Commands of an order"
    yield _verbs(ORDER_COMMANDS)
    for model in (ParcelReport, LineQuantity, Scan, Evidence):
        yield from _fields(model)
    yield _examples(ORDER_COMMANDS)


def _answers() -> Blocks:
    yield prose("""
        ## Answers

        An accepted update returns an Answer as soon as it is decided, before its effects. A refused update fails with
        an application error whose type is the reason code and whose details are a Refusal. A signal's answer, refusals
        included, is a line of the journal.
        """)
    for model in (Answer, NextDeadline, Refusal):
        yield from _fields(model)
    yield table(
        ("region", "values"),
        [
            ("`phase` of an order", words(get_args(OrderPhase))),
            ("`audit`, of the parcel that stands worst", words(get_args(AuditStage))),
            ("`receipt`", words(get_args(Receipt.model_fields["status"].annotation))),
            ("`phase` of a withdrawal, whose `audit` and `receipt` are `none`", words(get_args(WithdrawalPhase))),
        ],
    )


def _queries() -> Blocks:
    yield "## Queries"
    yield table(("query", "returns"), [(f"`{name}`", text) for name, text in QUERIES.items()])
    yield "In both lists a field that has nothing to say is left out."
    for model in (JournalEntry, HoldView):
        yield from _fields(model)


def _withdrawals() -> Blocks:
    yield "## Withdrawals"
    yield "The input of `WithdrawalWorkflow`:"
    yield json_block(examples.WITHDRAWAL)
    yield from _fields(Withdrawal)
    yield prose("""
        A request that is refused (too little money, an account that is suspended, a limit) completes at once: its
        result is `{"phase": "refused", "refusal": {"code", "message", "field"}}`, and nothing was reserved. It may be
        asked for again under its id with the id reuse policy `ALLOW_DUPLICATE`; a withdrawal that was reserved is then
        not made anew: that run goes on as the register says. A request that cannot be read fails as `malformed`.
        """)
    yield "### Commands of a withdrawal"
    yield _verbs(WITHDRAWAL_COMMANDS)
    yield _examples(WITHDRAWAL_COMMANDS)


def _notices() -> Blocks:
    yield prose("""
        ## Notices

        Notices for people are written in the transaction that makes them true, numbered, and read in that order:
        `starter.py notices --after NUMBER`. A notice has a number, a time, its subject (`order/{id}`,
        `withdrawal/{id}` or `reconciliation/{scope}/{name}`), its reader, its name and its facts. Facts are texts:
        amounts are minor units, times RFC 3339.
        """)
    rows = [
        (f"`{kind.name}`", kind.about, ", ".join(kind.to), kind.when, words(kind.facts) or "none") for kind in NOTICES
    ]
    yield table(("notice", "about", "to", "when", "facts"), rows)


def _codes() -> Blocks:
    yield "## Reason codes"
    yield table(("code", "sentence", "in Chinese"), [(f"`{code}`", said.en, said.zh) for code, said in REASONS.items()])


def _search() -> Blocks:
    yield "## Search attributes"
    yield table(("name", "type"), [(f"`{name}`", kind) for name, kind in SEARCH_ATTRIBUTES.items()])


# --- blocks ----------------------------------------------------------------------------------------------


def _examples(commands: Mapping[str, type[Command]]) -> str:
    """One line a verb."""
    lines = [f"{verb}  {json.dumps(examples.command(verb), ensure_ascii=False)}" for verb in commands]
    return "\n".join(["```text", *lines, "```"])


def _fields(model: type[BaseModel]) -> Blocks:
    """A heading, what the model is for, and a table of its fields."""
    answered = model in ANSWERED  # there every field is present, null where there is nothing to say
    schema = model.model_json_schema(mode="serialization" if answered else "validation")
    required = set(schema.get("required", ()))
    yield f"#### {model.__name__}"
    yield _first_paragraph(model)
    yield table(
        ("field", "type") if answered else ("field", "type", "required"),
        [
            (f"`{name}`", _type(part), *(() if answered else ("yes" if name in required else _default(part),)))
            for name, part in schema["properties"].items()
        ],
    )


def _first_paragraph(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split("\n\n")[0].split())


def _default(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    return "no" if default is None else f"no, `{json.dumps(default)}`"


def _verbs(commands: Mapping[str, type[Command]]) -> str:
    rows = []
    for verb, model in commands.items():
        schema = model.model_json_schema()
        fields = [
            f"`{name}`{'' if name in schema['required'] else '?'}: {_type(part, brief=True)}"
            for name, part in schema["properties"].items()
            if name not in Command.model_fields
        ]
        link = f"[`{verb}`](schemas/{model.__name__}.json)"
        rows.append((link, ", ".join(sorted(ROLES_OF[model])), _first_paragraph(model), "; ".join(fields) or "none"))
    return table(("verb", "who", "what", "further fields (`?`: may be left out)"), rows)


def _type(schema: Mapping[str, Any], *, brief: bool = False) -> str:
    """A type in words: `integer, 1 to 1,000,000`, `id`, `time`, `list of 1 to 200 Line`."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        kinds = [_type(part, brief=brief) for part in schema["anyOf"] if part.get("type") != "null"]
        return " or ".join(kinds) + ("" if brief else " or null")
    if "enum" in schema:
        return words(schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = {"array": _list_type, "integer": _integer_type, "string": _string_type}.get(schema.get("type", ""))
    return kind(schema, brief) if kind else str(schema.get("type", "any"))


def _list_type(schema: Mapping[str, Any], brief: bool) -> str:
    least, most = schema.get("minItems"), schema.get("maxItems")
    count = f"{least} to {most} " if least and most else ""
    return f"list of {count}{_type(schema['items'], brief=brief)}"


def _integer_type(schema: Mapping[str, Any], brief: bool) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    return "integer" if brief or least is None or most is None else f"integer, {least} to {most:,}"


def _string_type(schema: Mapping[str, Any], brief: bool) -> str:
    if schema.get("format") == "date-time":
        return "time"
    if "pattern" in schema:
        pattern = schema["pattern"].removeprefix("^").removesuffix("$")
        return "id" if pattern == "[A-Za-z0-9_-]{1,64}" else f"`{pattern}`"
    if brief or "maxLength" not in schema:
        return "text"
    return f"text, {schema.get('minLength', 0)} to {schema['maxLength']} characters"


def main() -> None:
    """Write every page, and take away schemas of messages that are gone."""
    wanted = pages()
    (HERE / "schemas").mkdir(exist_ok=True)
    for stale in (HERE / "schemas").glob("*.json"):
        if f"schemas/{stale.name}" not in wanted:
            stale.unlink()
    for path, text in wanted.items():
        (HERE / path).write_text(text, encoding="utf-8")
    print(f"{len(wanted)} pages written to {HERE}")


if __name__ == "__main__":
    main()
