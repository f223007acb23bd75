"""The stand-ins' process as a server of the local stack."""

from __future__ import annotations

import json
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local import pids
from local.ports import LOOPBACK
from local.service import ServerProcess
from local.wechatpay_keys import RAILS_FILE

_PROJECT = Path(__file__).resolve().parent.parent


class StandIns(ServerProcess):
    """Carrier, payment channel and bank.

    Args:
        home: folder for footprint, log and data.
        guarding: the stand-ins end all servers of the home and delete it once the program that started them has ended;
            for stacks that no later program adopts.
    """

    name = "world"

    def __init__(self, home: Path, *, guarding: bool = False, usual: bool = False) -> None:
        super().__init__(home, usual=usual)
        self._guarding = guarding

    @property
    def url(self) -> str:
        """The address of faults, plans and journals."""
        return f"http://{LOOPBACK}:{self.ports['port']}"

    @property
    def carrier_url(self) -> str:
        return f"{self.url}/carrier"

    @property
    def channel_url(self) -> str:
        return f"{self.url}/channel"

    @property
    def bank_url(self) -> str:
        return f"{self.url}/bank"

    @property
    def rails_file(self) -> Path:
        """The file that leads to the stand-in WeChat Pay, with its keys; it exists once they answer."""
        return self.data / "wechatpay" / RAILS_FILE

    @property
    def data(self) -> Path:
        """Their data folder."""
        return self.home / "world"

    def remove(self) -> None:
        """Stop them and delete their data."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
        for file in (self.footprint_file, self.log_file):
            file.unlink(missing_ok=True)

    def command(self, ports: Mapping[str, int]) -> Sequence[str]:
        """The stand-ins on the loopback interface."""
        guard = ["--guard", f"{os.getpid()}:{pids.started(os.getpid())}"] if self._guarding else []
        return [sys.executable, "-m", "local.world", "--port", str(ports["port"]), "--data", str(self.data), *guard]

    def identity(self) -> Mapping[str, Any]:
        """They run in the project's folder, so that its packages are found."""
        return {"cwd": _PROJECT}

    def answers(self) -> bool:
        """Whether they answer as healthy."""
        try:
            # Without the environment's proxies, which cannot reach this machine's loopback.
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                f"{self.url}/health", timeout=2
            ) as reply:
                return bool(json.load(reply).get("ok"))
        except (OSError, ValueError, urllib.error.URLError):
            return False
