"""What the SDK's core says, as records of this process's log.

By itself the core writes coloured lines of its own form past every handler: no line of JSON, and not once a minute.
"""

from __future__ import annotations

import logging
from functools import cache

from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

CORE_LOG = LoggingConfig(
    filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
    forwarding=LogForwardingConfig(
        logger=logging.getLogger("temporalio.core"), append_target_to_name=False, prepend_target_on_message=False
    ),
)


@cache
def log_core() -> None:
    """Let clients without a runtime of their own send the core's records to the log; once for a process."""
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=CORE_LOG)), error_if_already_set=False)
