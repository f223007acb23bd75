"""A TCP line to a server that can fail: slow, one byte a segment, dark, cut, parted and healed.

It stands between a program of ours and PostgreSQL (or any server on this machine) and passes bytes both ways. What a
partition holds back is not lost: TCP delivers it once the line heals, also to a server whose client gave up long ago.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

CHUNK = 65_536


@dataclass
class Line:
    """One line to `host:port`. Its faults are attributes, which may change at any time."""

    host: str
    port: int
    latency: float = 0.0
    """Seconds that each piece waits, in both directions."""
    trickles: int = 0
    """So many bytes at the head of each piece go one a segment."""
    cut_when: Callable[[], Awaitable[bool]] | None = None
    """Asked before each reply is passed on. Yes: the connection is cut instead, once."""
    part_when: Callable[[], Awaitable[bool]] | None = None
    """As `cut_when`, but the line goes dark, with no sign to either end."""
    cuts: int = 0
    listens_at: int = 0
    _lit: asyncio.Event = field(default_factory=asyncio.Event)
    _ends: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def to(cls, host: str, port: int) -> AsyncIterator[Self]:
        """An open line, without a fault; `listens_at` is its port on this machine."""
        line = cls(host, port)
        line.heal()
        server = await asyncio.start_server(line._accept, "127.0.0.1", 0)
        line.listens_at = server.sockets[0].getsockname()[1]
        try:
            yield line
        finally:
            server.close()
            line.cut()
            for task in line._tasks:
                task.cancel()
            await asyncio.gather(*line._tasks, return_exceptions=True)

    def part(self) -> None:
        """From now on nothing arrives, and neither end learns of it."""
        self._lit.clear()

    def heal(self) -> None:
        """What was held back arrives; there is no fault any more."""
        self.latency, self.trickles = 0.0, 0
        self.cut_when = self.part_when = None
        self._lit.set()

    def cut(self) -> None:
        """End every connection with a reset. Bytes on their way are lost."""
        self.cuts += len(self._ends) // 2
        for end in self._ends:
            end.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._lit.wait()  # the kernel has answered for a dark server; no more comes
        try:
            up_reader, up_writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, up_writer}
        self._ends |= ends
        asking = asyncio.create_task(self._pass(reader, up_writer))
        try:
            await self._pass(up_reader, writer, is_reply=True)
        finally:
            self._ends -= ends
            for end in ends:
                end.transport.abort()
            asking.cancel()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_reply: bool = False
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if is_reply and not await self._may_reply():
                    return
                await self._lit.wait()
                await self._send(data, writer)
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()

    async def _may_reply(self) -> bool:
        """Whether a reply is passed on, rather than cut."""
        if self.part_when is not None and await self.part_when():
            self.part_when = None
            self.part()
        if self.cut_when is None or not await self.cut_when():
            return True
        self.cut_when = None
        self.cuts += 1
        return False

    async def _send(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        if self.latency:
            await asyncio.sleep(self.latency)
        for byte in data[: self.trickles]:
            writer.write(bytes((byte,)))
            await asyncio.sleep(0)
        writer.write(data[self.trickles :])
        await writer.drain()
