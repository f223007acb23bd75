"""People of the console in the register: who may sign in, and who is signed in. Only digests of sessions are kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from core.fields import Message
from core.votes import Voters
from ledger.register_part import RegisterPart

PersonRole = Literal["operator", "reviewer", "merchant"]
LinkOutcome = Literal["linked", "same", "unknown_person", "anothers"]
IDLE = timedelta(hours=2)
"""A session that is not used for so long has ended."""


class LinkedSubject(Message):
    """Who a person is to a provider of identities: for how long it signed them in, and who linked it.

    `ended_at` is None while it does.
    """

    issuer: str
    subject: str
    linked_by: str
    linked_at: datetime
    ended_at: datetime | None
    ended_by: str | None


class Person(Message):
    """A person of the platform, or of a merchant's staff (`merchant_id`).

    `subjects`: all that they are or were to providers of identities, the earliest first. Someone who came back has a
    row for each period.
    """

    person_id: str
    name: str
    role: PersonRole
    merchant_id: str | None
    subjects: tuple[LinkedSubject, ...]
    added_by: str
    added_at: datetime
    ended_at: datetime | None
    ended_by: str | None

    @property
    def signs_in_as(self) -> tuple[str, ...]:
        """The subjects that stand for them now."""
        return tuple(one.subject for one in self.subjects if one.ended_at is None)


class SignedIn(Message):
    """A person with a session; `signed_in_at` is when they last proved who they are."""

    person_id: str
    name: str
    role: PersonRole
    merchant_id: str | None
    signed_in_at: datetime


_SUBJECT = ", ".join(f"'{name}', s.{name}" for name in LinkedSubject.model_fields)
_SUBJECTS = (
    f"(SELECT coalesce(jsonb_agg(jsonb_build_object({_SUBJECT}) ORDER BY s.linked_at, s.subject), '[]')"
    " FROM subjects s WHERE s.person_id = p.person_id) AS subjects"
)
_COLUMNS = ", ".join(_SUBJECTS if name == "subjects" else f"p.{name}" for name in Person.model_fields)
_PERSON = f"SELECT {_COLUMNS} FROM people p"
_EARLIER = f"SELECT {_COLUMNS} FROM earlier_periods p"
_OF_SUBJECT = "EXISTS (SELECT FROM subjects s WHERE s.person_id = p.person_id AND s.issuer = {} AND s.subject = {}{})"


class People(RegisterPart):
    """The register's people and their sessions."""

    async def add(
        self,
        person_id: str,
        name: str,
        role: PersonRole,
        *,
        merchant_id: str | None,
        issuer: str,
        subject: str,
        by: str,
        now: datetime,
        again: bool = False,
    ) -> bool:
        """Add a person, as the owner. The same again changes nothing.

        Args:
            again: they come back, and have a new period, perhaps in another role; their id is the same, and the subject
                one that signs them in.

        Returns:
            False: the id or the subject is another's, or was; or their access has ended, or with `again` it has not; or
            they were staff of a merchant, and come back as one of the platform, or the other way round.
        """
        function = "readmit_person" if again else "add_person"
        return bool(
            await self._call(
                f"SELECT {function}($1, $2, $3, $4, $5, $6, $7, $8)",
                *(person_id, name, role, merchant_id, issuer, subject, by, now),
            )
        )

    async def end(self, person_id: str, now: datetime, by: str) -> bool:
        """End a person's access and sessions, as the owner. False: they are not known, or it has ended."""
        return bool(await self._call("SELECT end_person($1, $2, $3)", person_id, now, by))

    async def link(
        self, person_id: str, issuer: str, subject: str, *, beside: bool, by: str, now: datetime
    ) -> LinkOutcome:
        """Give a person another subject, as the owner; the id, the role and the merchant stay. The same again: `same`.

        Args:
            beside: the subjects of before go on to sign them in; otherwise they end, and all sessions with them.
        """
        outcome: LinkOutcome = await self._call(
            "SELECT link_subject($1, $2, $3, $4, $5, $6)", person_id, issuer, subject, beside, by, now
        )
        return outcome

    async def left(self, voters: Voters) -> list[str]:
        """Those of these people whose access has ended, or who have another role now. Who is not known is believed."""
        return list(
            await self._call(
                "SELECT coalesce(array_agg(n), '{}') FROM unnest($1::TEXT[]) AS n WHERE NOT may_decide_as(n, $2)",
                *(list(voters.people), list(voters.roles)),
            )
        )

    async def everyone(self) -> list[Person]:
        """Everyone who was ever added, by id; of someone who came back each period, the last one last."""
        return await self._all(Person, f"{_PERSON} UNION ALL {_EARLIER} ORDER BY person_id, added_at, ended_at")

    async def standing(self, person_id: str, issuer: str, subject: str) -> Person | None:
        """Who has this id under any spelling, or else who has or had this subject."""
        query = (
            f"{_PERSON} WHERE person_of(person_id) = person_of($1) OR {_OF_SUBJECT.format('$2', '$3', '')}"
            " ORDER BY person_id <> $1, person_of(person_id) <> person_of($1) LIMIT 1"
        )
        return await self._one(Person, query, person_id, issuer, subject)

    async def known(self, person_id: str) -> bool:
        """Whether someone of this id was ever added."""
        return bool(await self._call("SELECT EXISTS (SELECT FROM people WHERE person_id = $1)", person_id))

    async def of_subject(self, issuer: str, subject: str) -> Person | None:
        """Whom a provider of identities means; None: a stranger, or someone whose access has ended."""
        live = _OF_SUBJECT.format("$1", "$2", " AND s.ended_at IS NULL")
        return await self._one(Person, f"{_PERSON} WHERE {live} AND p.ended_at IS NULL", issuer, subject)

    async def of_issuer(self, issuer: str) -> list[Person]:
        """Everyone of one provider of identities who may sign in, by id; at most fifty."""
        query = (
            f"{_PERSON} WHERE p.ended_at IS NULL AND EXISTS (SELECT FROM subjects s"
            " WHERE s.person_id = p.person_id AND s.issuer = $1 AND s.ended_at IS NULL) ORDER BY person_id LIMIT 50"
        )
        return await self._all(Person, query, issuer)

    # --- sessions ---

    async def open_session(
        self,
        digest: bytes,
        person_id: str,
        *,
        replaces: bytes | None,
        signed_in_at: datetime,
        ends_at: datetime,
        now: datetime,
        by: tuple[str, str] | None = None,
    ) -> bool:
        """Open a session in place of the one that the browser had. False: the person may not sign in.

        Args:
            by: the issuer and the subject that signed them in, which must still be theirs.
            signed_in_at: when the person proved who they are: earlier than now where a provider remembered them.
        """
        return bool(
            await self._call(
                "SELECT open_session($1, $2, $3, $4, $5, $6, $7, $8)",
                *(digest, replaces, person_id, signed_in_at, ends_at, now, *(by or (None, None))),
            )
        )

    async def signed_in(self, digest: bytes, now: datetime) -> SignedIn | None:
        """Who has this session now; None once it has ended or was not used for `IDLE`."""
        found = await self._one(
            SignedIn,
            "SELECT p.person_id, p.name, p.role, p.merchant_id, s.signed_in_at FROM sessions s"
            " JOIN people p USING (person_id)"
            " WHERE s.digest = $1 AND s.ends_at > $2 AND s.seen_at > $3 AND p.ended_at IS NULL",
            *(digest, now, now - IDLE),
        )
        if found is not None:
            await self._call("SELECT note_session_used($1, $2)", digest, now)
        return found

    async def end_session(self, digest: bytes) -> None:
        """Sign out."""
        await self._call("SELECT end_session($1)", digest)
