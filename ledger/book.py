"""The book: movements are posted here, each under its own reference, whole or not at all.

The same reference with the same legs answers `exists`; with other legs it answers `conflict`. Nothing here retries. A
call raises `Unavailable` where the database does not answer; the caller may repeat it, and nothing is posted twice.

Orders' movements are gathered: those that are asked for while an array is under way go together in the next one, with
their records. Under load a worker then posts several times as much. Each is still answered alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import asyncpg

from core.errors import Unavailable
from core.movements import Movement
from core.records import OrderRecord, WithdrawalRecord
from core.steps import Posted
from ledger.columns import columns_of, legs_of
from ledger.gathering import Call, Gathering
from ledger.pool import translate_errors

ARRAY_MAX = 1000
"""Movements in one transaction: a longer array holds its locks for too long."""
GATHERED_MAX = 64
"""Movements of orders that are gathered in one transaction, with their records."""
GATHERED_BESIDE = 2
"""Such transactions at once. With one, the database uses a single core, and waits while the next is encoded. With more,
the arrays are shorter: what they cost beside their rows is paid more often, and they wait for the same accounts.
"""
RACES_MAX = 3
"""How often an array is retried because another call posted one of its references at the same moment."""
_REFUSED = (asyncpg.PostgresError, asyncpg.DataError, ValueError)
"""Errors of the database or the driver for a movement that cannot be posted; connection errors are other types."""


_FOR_ENTRY = {
    "post": "SELECT * FROM post($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    "post_movements": "SELECT * FROM post_movements($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    "post_settlements": "SELECT * FROM post_settlements($1, $2, $3, $4, $5, $6, $7, $8)",
}
_FOR_ORDER = "post_for_order($1, $2, $3, $4, $5, $6, $7, $8)"
_FOR_ORDERS = """
    SELECT p.outcome, p.account, p.short_by, CASE WHEN p.order_id IS NOT NULL THEN (
        SELECT o.revision <> p.follows AND NOT (o.revision = (p.record ->> 'revision')::INT
                                                AND o.state = p.record -> 'state')
        FROM orders o WHERE o.order_id = p.order_id
    ) END AS overtaken
    FROM ROWS FROM (post_for_orders($1, $2, $3, $4, $5, $6, $7, $8, $9), unnest($9::JSONB[], $10::INT[], $11::TEXT[]))
        AS p (outcome, account, short_by, record, follows, order_id)
"""
"""The answers in the order of the movements, each beside its record."""
_WON = frozenset({"chargeback_won", "chargeback_above_won"})
_WON_BACK = "post_chargeback_won($1, $2, $3, $5, $4)"


def _of_order(posting: str, record: int) -> str:
    """The query of an order's posting; its record is parameter `record`, then the revision that it follows, the order.

    `overtaken` compares with the register as it was before: the record was not kept, and is not the one that is there.
    """
    return (
        f"SELECT p.*, (SELECT o.revision <> ${record + 1} AND NOT (o.revision = (${record}::JSONB ->> 'revision')::INT"
        f" AND o.state = ${record}::JSONB -> 'state') FROM orders o WHERE o.order_id = ${record + 2}) AS overtaken"
        f" FROM {posting} AS p"
    )


_IN_THE_WAY = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError)
"""Errors of a transaction that came into conflict with another one: nothing of it stands."""


class NotPosted(NamedTuple):
    """The answer to a movement of an array that the books cannot take: a path or a link that is not known, an amount
    out of bounds, legs that no kind has. A retry does not help.
    """

    reference: str
    detail: str
    outcome: Literal["not_posted"] = "not_posted"
    moved: Literal[False] = False


class _Asked(NamedTuple):
    movement: Movement
    record: OrderRecord | None


_Call: TypeAlias = "Call[_Asked, Posted]"


class _Entry(NamedTuple):
    """The database function that takes an array, and the channel whose settlements it holds."""

    function: Literal["post", "post_movements", "post_settlements"]
    channel: str | None = None


class Book:
    """Posts movements. Locks, balances and guards live in the database."""

    def __init__(self, pool: asyncpg.Pool[Any], *, beside: int = GATHERED_BESIDE) -> None:
        """Args:
        beside: transactions of gathered movements at once.
        """
        self._pool = pool
        self._gathered: Gathering[_Asked, Posted] = Gathering(
            self._post_gathered,
            subject_of=lambda asked: _subject(asked.movement)[1],
            most=GATHERED_MAX,
            beside=beside,
        )

    async def post(self, movement: Movement, record: OrderRecord | WithdrawalRecord | None = None) -> Posted:
        """Post one movement, and keep the record of what it makes true: both or neither.

        An order's or a withdrawal's movement goes through the database function for its subject, which enforces the
        subject's own rules: a withdrawal gets back no more than was paid, and nothing while a payout may still arrive.
        """
        if not _is_gathered(movement):
            return await self.post_alone(movement, record)
        assert not isinstance(record, WithdrawalRecord)
        return await self._gathered.ask(_Asked(movement, record))

    async def post_alone(self, movement: Movement, record: OrderRecord | WithdrawalRecord | None = None) -> Posted:
        """As `post`, in a transaction that has no other movement."""
        subject, subject_id = _subject(movement)
        if movement.kind in {"psp_settlement", "adjustment"} or subject not in {"order", "withdrawal"}:
            assert record is None, "a record belongs to a movement of an order or a withdrawal"
            async with translate_errors():
                (posted,) = await self._post(_entry_of(movement), [movement])
            return posted
        if subject == "withdrawal":
            return await self._post_for_withdrawal(subject_id, movement, record)
        return await self._post_for_order(movement, record)

    async def _post_gathered(self, calls: Sequence[_Call]) -> None:
        """Answer each, or raise to its own caller.

        An array that is refused is halved until the refused movement stands alone. Where another session is in the way,
        each goes alone. Where the connection is lost, it is not known what became of any of them.
        """
        if len(calls) == 1:
            await self._post_call(calls[0])
            return
        try:
            again = await self._post_for_orders(calls)
        except Unavailable as error:
            if isinstance(error.__cause__, _IN_THE_WAY):
                await asyncio.gather(*(self._post_call(call) for call in calls))
            else:
                for call in calls:
                    call.fail(type(error)(str(error)))
        except Exception:  # one of them is refused, or a defect: it must not share that with the others
            middle = len(calls) // 2
            await asyncio.gather(self._post_gathered(calls[:middle]), self._post_gathered(calls[middle:]))
        else:
            if again:
                await self._post_gathered(again)

    async def _post_call(self, call: _Call) -> None:
        try:
            call.answer(await self.post_alone(*call.question))
        except Exception as error:  # each caller gets its own answer, here its error
            call.fail(error)

    async def _post_for_orders(self, calls: Sequence[_Call]) -> list[_Call]:
        """One transaction: all of them, or an error. Where some are held, nothing was posted, and the others are
        returned: ask for them again.
        """
        batch = [call.question.movement for call in calls]
        records = [call.question.record for call in calls]
        async with translate_errors():
            rows = await self._pool.fetch(
                _FOR_ORDERS,
                [movement.reference for movement in batch],
                [movement.currency for movement in batch],
                [movement.occurred_at for movement in batch],
                [movement.emptied for movement in batch],
                *legs_of(batch),
                records,
                *zip(*map(_follows, records), strict=True),
            )
        answers = list(zip(calls, rows, strict=True))
        for call, row in answers:
            if row["outcome"] is not None:
                call.answer(_posted(call.question.movement, row, overtaken=bool(row["overtaken"])))
        return [call for call, row in answers if row["outcome"] is None]

    async def post_all(self, batch: Sequence[Movement]) -> list[Posted | NotPosted]:
        """Post many movements; each gets its own answer, in the order given. A movement that cannot be posted does not
        stop the others.

        They go to the database in arrays: one for each channel's settlements, one for orders, one for what only the
        owner may post. The database decides an array in the order of its references, so a movement that depends on
        another belongs in a later call. The database posts an array whole or not at all. One that it refuses is halved
        until the movement that it cannot take stands alone. A movement that another call posted in the same moment is
        asked for again.
        """
        answers: dict[int, Posted | NotPosted] = {}
        arrays: dict[_Entry, list[int]] = {}
        for index, movement in enumerate(batch):
            arrays.setdefault(_entry_of(movement), []).append(index)
        for entry, indexes in arrays.items():
            for begin in range(0, len(indexes), ARRAY_MAX):
                part = indexes[begin : begin + ARRAY_MAX]
                posted = await self._post_halving(entry, [batch[index] for index in part])
                answers.update(zip(part, posted, strict=True))
        return [answers[index] for index in range(len(batch))]

    async def _post_halving(self, entry: _Entry, batch: Sequence[Movement]) -> list[Posted | NotPosted]:
        for _ in range(RACES_MAX):
            try:
                return list(await self._post(entry, batch))
            except asyncpg.SerializationError:
                continue
            except _REFUSED as error:
                if len(batch) == 1:
                    return [NotPosted(batch[0].reference, str(error))]
                break
        if len(batch) == 1:
            raise Unavailable(f"others post {batch[0].reference} all the time")
        middle = len(batch) // 2
        return [*await self._post_halving(entry, batch[:middle]), *await self._post_halving(entry, batch[middle:])]

    async def _post(self, entry: _Entry, batch: Sequence[Movement]) -> list[Posted]:
        """One transaction: all of them, or an error."""
        movements = [
            [movement.reference for movement in batch],
            [movement.currency for movement in batch],
            [movement.occurred_at for movement in batch],
        ]
        if entry.channel is not None:
            given: list[object] = [entry.channel, *movements, *legs_of(batch)]
        else:
            given = [*movements, [one.linked_to for one in batch], [one.emptied for one in batch], *legs_of(batch)]
        try:
            async with translate_errors():
                rows = await self._pool.fetch(_FOR_ENTRY[entry.function], *given)
        except Unavailable as error:
            if isinstance(error.__cause__, asyncpg.SerializationError):  # two calls collided: that is no outage
                raise error.__cause__ from None
            raise
        return [_posted(movement, row) for movement, row in zip(batch, rows, strict=True)]

    async def _post_for_order(self, movement: Movement, record: OrderRecord | WithdrawalRecord | None) -> Posted:
        assert not isinstance(record, WithdrawalRecord)
        if movement.kind in _WON:
            return await self._post_chargeback_won(movement, record)
        lines = [[line.model_dump() for line in movement.lines]] if movement.lines else []
        posting = "post_refund($1, $2, $3, $4, $5, $6, $7, $8, $11)" if lines else _FOR_ORDER
        async with translate_errors():
            row = await self._pool.fetchrow(
                _of_order(posting, 8), *columns_of(movement), record, *_follows(record), *lines
            )
        assert row is not None  # the function answers with one row
        return _posted(movement, row, overtaken=bool(row["overtaken"]))

    async def _post_chargeback_won(self, movement: Movement, record: OrderRecord | None) -> Posted:
        """The database makes the legs: it knows what the chargeback took where."""
        reference, currency, at, *_ = columns_of(movement)
        lines = [line.model_dump() for line in movement.lines]
        async with translate_errors():
            row = await self._pool.fetchrow(
                _of_order(_WON_BACK, 5), reference, currency, at, lines, record, *_follows(record)
            )
        assert row is not None  # the function answers with one row
        return _posted(movement, row, overtaken=bool(row["overtaken"]))

    async def _post_for_withdrawal(
        self, withdrawal_id: str, movement: Movement, record: OrderRecord | WithdrawalRecord | None
    ) -> Posted:
        assert not isinstance(record, OrderRecord)
        async with translate_errors():
            row = await self._pool.fetchrow(
                "SELECT p.*, (SELECT w.revision <> $10 FROM withdrawals w WHERE w.withdrawal_id = $1) AS overtaken"
                " FROM post_for_withdrawal($1, $2, $3, $4, $5, $6, $7, $8, $9) AS p",
                withdrawal_id,
                *columns_of(movement),
                record,
                record.follows if record else None,
            )
        assert row is not None  # the function answers with one row
        return _posted(movement, row, overtaken=bool(row["overtaken"]))


def _subject(movement: Movement) -> tuple[str, str]:
    """What kind of subject a movement is of, and its id."""
    subject, _, rest = movement.reference.partition("/")
    return subject, rest.partition("/")[0]


def _is_gathered(movement: Movement) -> bool:
    """Orders' movements are, but for the few whose legs or lines the database checks in a function of their own."""
    others = {"adjustment", "psp_settlement", *_WON}
    return _subject(movement)[0] == "order" and movement.kind not in others and not movement.lines


def _follows(record: OrderRecord | None) -> tuple[int | None, str | None]:
    """The revision in the register that an order's record was made from, and the order."""
    return (record.state.get("recorded_revision"), record.order_id) if record else (None, None)


def _posted(movement: Movement, row: Any, *, overtaken: bool = False) -> Posted:
    return Posted(
        reference=movement.reference,
        outcome=row["outcome"],
        account=row["account"],
        short_by_minor=row["short_by"],
        overtaken=overtaken,
    )


def _entry_of(movement: Movement) -> _Entry:
    """The worker's role may post what the chart allows for channels and orders; only the owner may post the rest."""
    subject, subject_id = _subject(movement)
    if movement.kind == "psp_settlement":
        return _Entry("post_settlements", subject_id)
    return _Entry("post_movements" if movement.kind != "adjustment" and subject == "order" else "post")
