"""Garbage: programs that run for long do not look for it in what they have loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from wiring.garbage import NEW_OBJECTS

ROOT = Path(__file__).parent.parent
WORKER = """
import asyncio, os, signal, worker
from contextlib import asynccontextmanager
from config import Settings

@asynccontextmanager
async def polling(settings):
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
    yield

worker.running_worker = polling
asyncio.run(worker.main(Settings()))
"""
STOREFRONT = """
import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from storefront import __main__ as storefront

@asynccontextmanager
async def serving(settings, sockets):
    yield asyncio.create_task(asyncio.sleep(0))

storefront.serving, storefront.listen = serving, lambda host, port: None
storefront.load = lambda: SimpleNamespace(pepper_needed="")
asyncio.run(storefront.serve("127.0.0.1", 0))
"""


@pytest.mark.parametrize("program", [WORKER, STOREFRONT], ids=["worker", "storefront"])
def test_a_program_that_has_started_leaves_what_it_loaded_out_of_its_looks(program: str) -> None:
    seen = "import gc\nprint(gc.get_freeze_count() > 10_000, gc.get_threshold()[0])"
    done = subprocess.run(
        [sys.executable, "-c", program + seen], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == f"True {NEW_OBJECTS}\n"
