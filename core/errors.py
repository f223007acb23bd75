"""The tree of errors. Each says whether a retry can help.

    DakuanError
    ├── FinalError                a retry cannot help; the caller must change something
    │   ├── Refused               a command, order or request was refused: reason code and sentence
    │   ├── BadInput              a file or an argument that a person gave cannot be read
    │   └── Misconfigured         a setting is missing or wrong
    │       └── PortInUse             another program listens where ours should
    └── RetryableError            the world may answer better next time
        ├── Unavailable           a carrier, channel, rail, database or server did not answer
        │   ├── DatabaseUnavailable   the database answers and takes no writes: a standby, or a demoted primary
        │   └── NotSent               no connection was made, so that nothing reached the other side
        ├── UnreadableAnswer      it answered nonsense: never evidence, never a posting
        └── OutcomeUnknown        an instruction was sent, and its effect is not known

The class name is the contract: Temporal matches retry policies on it.
"""

from __future__ import annotations


class DakuanError(Exception):
    """Something went wrong."""

    retryable = False

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or type(self).__name__).splitlines()[0])


class FinalError(DakuanError):
    """A retry cannot help."""


class RetryableError(DakuanError):
    """A retry may help."""

    retryable = True


class Refused(FinalError):
    """The request was refused.

    Attributes: `code` is a reason code of `core.reasons`, `field` names the offending field where one does.
    """

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.field = code, message, field


class BadInput(FinalError):
    """What was given cannot be read."""


class Misconfigured(FinalError):
    """A setting is missing or wrong."""


class PortInUse(Misconfigured):
    """Another program listens at the port."""


class Unavailable(RetryableError):
    """The other side did not answer."""


class DatabaseUnavailable(Unavailable):
    """The database takes no writes."""


class NotSent(Unavailable):
    """No connection was made: nothing was sent, and trying again soon is safe."""


class UnreadableAnswer(RetryableError):
    """The other side answered something that cannot be read."""


class OutcomeUnknown(RetryableError):
    """An instruction was sent and its outcome is not known."""


def every_error(root: type[DakuanError] = DakuanError) -> list[type[DakuanError]]:
    """All classes of the tree, the root first."""
    return [root, *(error for child in root.__subclasses__() for error in every_error(child))]


def final_error_names() -> list[str]:
    """Names for a retry policy's `non_retryable_error_types`; computed, so that no new error is forgotten."""
    return sorted(error.__name__ for error in every_error() if not error.retryable)
