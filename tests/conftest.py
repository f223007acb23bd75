"""What every test may use. Fixtures of a kind stand in a file of their own, which is a plugin named here."""

from __future__ import annotations

import gc
import os
import signal
import time
from pathlib import Path

import pytest
from bytecode import keep_bytecode
from memory import keep_in_memory

HERE = Path(__file__).parent
SHARED_DATA = "DAKUAN_SHARED_DATA"
LAST_PAUSE = 0.3
"""Seconds: a process that used a Temporal client and ends at once aborts now and then (sdk-python issue 300)."""

pytest_plugins = (
    "sharing",  # a run on several processes
    "said_outcomes",  # what they say to the one that counts
)
OF_TESTS = (
    "databases",  # PostgreSQL
    "stand_ins",  # carrier, payment channel and bank
    "standin_caller",  # their own dialect
    "order_stage",  # a whole stack for orders, in this process
    "order_crash_stage",  # one whose workers come and go
    "withdrawal_stage",  # Temporal and a bank for withdrawals
    "up_stack",  # a running `up`
    "hooks",  # consumers of webhooks, and a deliverer
    "http_operations",  # every operation of the document, and books for it
    "http_stack",  # its HTTP gateway, and keys for it
    "chromium",  # a browser for its console
    "console_served",  # its pages from made-up rows
    "wechatpay_adapters",
)
"""Plugins of the processes that run tests. The one that only divides a run begins without them, two seconds earlier."""

os.environ["LC_ALL"] = "C.UTF-8"  # commands speak the language of the terminal
keep_bytecode()
keep_in_memory()
gc.disable()  # while all files are read: what they make stays; see `sharing.pytest_collection_finish`


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public sample data that lies beside a checkout, or where the environment says."""
    folder = Path(os.environ.get(SHARED_DATA) or HERE.parents[1] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"the sample data is not there: no folder {folder}; {SHARED_DATA} names another")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _one_pause_at_the_end() -> None:
    """A client of ours pauses before its program ends; the test run pauses once, in `pytest_unconfigure`."""
    from gateway import connecting

    connecting.LAST_PAUSE = 0.0


@pytest.fixture(autouse=True)
def _as_a_new_process() -> None:
    """A process runs one command, in one language; here the command of one test would choose that of the next."""
    from commands import console, group

    group.LANGUAGE.set("en")
    console._in_chinese.set(False)
    console._as_json.set(False)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--cached-workflows 0` lets every worker forget a workflow after each task, and replay it for the next one;
    `--stall 2` stops each test's event loop once for two seconds.
    """
    parser.addoption("--cached-workflows", type=int, default=None, help="How many workflows each worker remembers.")
    parser.addoption("--stall", type=float, default=None, help="Seconds that the loop of each test stands still, once.")
    parser.addoption("--stall-seed", type=int, default=1, help="Chooses when.")


def pytest_configure(config: pytest.Config) -> None:
    """Hear a Ctrl-C, and load what tests need, where tests are run."""
    _hear_ctrl_c()
    if not _only_divides(config):
        _load_for_tests(config)


def _only_divides(config: pytest.Config) -> bool:
    """Whether this process hands out tests that others run."""
    divided = getattr(config.option, "dist", "no") != "no" and bool(config.option.tx)
    return divided and not hasattr(config, "workerinput")


def _load_for_tests(config: pytest.Config) -> None:
    """The plugins; how much is tried at random; for every worker that a test builds as many workflows as the option
    says, also where the test says another number; and the stalls that an option asks for.
    """
    from cached_workflows import remember_only
    from sizes import load_profile
    from stalls import Stalls

    for name in OF_TESTS:
        config.pluginmanager.import_plugin(name)
    load_profile()
    cached = config.getoption("--cached-workflows")
    if cached is not None:
        remember_only(cached)
    seconds = config.getoption("--stall")
    if seconds is not None:
        stalls = Stalls(seconds, config.getoption("--stall-seed"))
        stalls.watch()
        config.pluginmanager.register(stalls)


def _hear_ctrl_c() -> None:
    """A shell lets a run in the background ignore SIGINT, and every program that a test starts and interrupts, too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    """Give a Temporal client's threads the time to end."""
    time.sleep(LAST_PAUSE)
