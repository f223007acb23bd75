"""The data converter: the same one for client, worker and replay, so that they never diverge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import temporalio.api.common.v1
import temporalio.api.failure.v1
from temporalio.common import RawValue
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverter,
    DefaultPayloadConverter,
    EncodingPayloadConverter,
    JSONPlainPayloadConverter,
    PayloadConverter,
    SerializationContext,
)
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from config.codec import CodecKeys
from core.reading import Unreadable
from core.reasons import SENTENCES
from gateway.codec import SealingCodec, why_unopened

_PYDANTIC = PydanticJSONPlainPayloadConverter()
_BY_ENCODING: dict[bytes, EncodingPayloadConverter] = {
    one.encoding.encode(): _PYDANTIC if isinstance(one, JSONPlainPayloadConverter) else one
    for one in DefaultPayloadConverter.default_encoding_payload_converters
}
"""Shared, because the SDK makes four converters a workflow task, and each would build the types' schemas again."""


class _TolerantConverter(CompositePayloadConverter):
    """Turns an undecodable payload into `Unreadable` for handlers that take any value; the handler refuses it.

    An exception here would fail the workflow task again and again, and block the order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.converters = _BY_ENCODING

    def with_context(self, context: SerializationContext) -> Self:
        """Itself: what a payload is for changes nothing here, and the SDK asks for each one."""
        return self

    def from_payloads(
        self, payloads: Sequence[temporalio.api.common.v1.Payload], type_hints: list[type] | None = None
    ) -> list[Any]:
        """Each value, or `Unreadable` where no specific type was requested; surplus payloads have no type."""
        hints: list[Any] = [*(type_hints or []), *([None] * len(payloads))]
        return [self._one(payload, hint) for payload, hint in zip(payloads, hints, strict=False)]

    def _one(self, payload: temporalio.api.common.v1.Payload, hint: type | None) -> Any:
        if hint is RawValue:  # this runs for every signal: a burst is one task, which must be short
            return RawValue(payload)
        try:
            if hint in (None, Any) and (why := why_unopened(payload)) is not None:
                return Unreadable(why=why)
            return super().from_payloads([payload], [hint] if hint else None)[0]
        except Exception as error:
            if hint in (None, Any):
                return Unreadable(why=f"It cannot be decoded: {type(error).__name__}.")
            raise


class _QuietRefusals(DefaultFailureConverter):
    """Sends a refusal without a stack trace: a trace names files of the worker's machine, and any client could read it.

    A benign failure, such as "nothing new; next look in 1 day", is no defect either, and a history keeps the last one.
    Every other failure keeps its trace, because operators need it to find the defect.
    """

    def to_failure(
        self,
        exception: BaseException,
        payload_converter: PayloadConverter,
        failure: temporalio.api.failure.v1.Failure,
    ) -> None:
        """See `FailureConverter.to_failure`."""
        super().to_failure(exception, payload_converter, failure)
        if isinstance(exception, ApplicationError) and _is_expected(exception):
            failure.ClearField("stack_trace")


class _SealedFailures(_QuietRefusals):
    """Moves the message and the stack trace of a failure into a payload, which the codec seals: they name waybills.

    The message of a refusal stays: it answers a command, and its sender may be a plain client.
    """

    def to_failure(
        self,
        exception: BaseException,
        payload_converter: PayloadConverter,
        failure: temporalio.api.failure.v1.Failure,
    ) -> None:
        """See `FailureConverter.to_failure`."""
        super().to_failure(exception, payload_converter, failure)
        if failure.HasField("application_failure_info") and not _is_refusal(failure):
            said = {"message": failure.message, "stack_trace": failure.stack_trace}
            failure.encoded_attributes.CopyFrom(payload_converter.to_payloads([said])[0])
            failure.message, failure.stack_trace = ENCODED, ""


ENCODED = "Encoded failure"
"""What the SDKs write for a message that stands in the encoded attributes."""


def _is_refusal(failure: temporalio.api.failure.v1.Failure) -> bool:
    info = failure.application_failure_info
    return info.non_retryable and info.type in SENTENCES


def _is_expected(error: ApplicationError) -> bool:
    benign = error.category == ApplicationErrorCategory.BENIGN
    return benign or (error.non_retryable and error.type in SENTENCES)


DATA_CONVERTER = DataConverter(
    payload_converter_class=_TolerantConverter,
    failure_converter_class=_QuietRefusals,
)


def converter_of(keys: CodecKeys | None) -> DataConverter:
    """The data converter; with keys it seals what goes into histories."""
    if keys is None:
        return DATA_CONVERTER
    return replace(DATA_CONVERTER, payload_codec=SealingCodec(keys), failure_converter_class=_SealedFailures)
