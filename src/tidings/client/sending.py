"""Sending batches until each event has its answer."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import grpc

from tidings.client.buffer import Buffer, Parcel
from tidings.client.errors import GatewayUnreachable, error_of, fault_error, retry_after
from tidings.client.settings import ClientSettings
from tidings.errors import Overloaded, StoreUnavailable, TidingsError
from tidings.gateway.v1.event_service_pb2 import PublishBatchRequest, PublishBatchResponse, PublishResponse

SendBatch = Callable[[PublishBatchRequest, float], Awaitable[PublishBatchResponse]]
"""Makes one call, given how many seconds it may take."""

_AGAIN: Final = (GatewayUnreachable, StoreUnavailable, Overloaded)
"""After these an event may have been kept or not; sent again under its id it is kept once."""


class Sender:
    """Takes batches from the buffer and brings each event to its answer."""

    def __init__(self, buffer: Buffer, settings: ClientSettings, send: SendBatch) -> None:
        self._buffer = buffer
        self._settings = settings
        self._send = send

    async def run(self) -> None:
        """Send until the buffer is closed and empty."""
        while not self._buffer.is_finished:
            batch = [parcel for parcel in await self._buffer.take() if not self._is_given_up(parcel)]
            if batch:
                await self._bring_or_fail(batch)

    async def _bring_or_fail(self, batch: Sequence[Parcel]) -> None:
        """Whatever happens, nobody waits in vain."""
        try:
            await self._bring(batch)
        except Exception as error:  # noqa: BLE001 (it goes to those who wait)
            for parcel in batch:
                if not parcel.answer.done():
                    self._buffer.done(parcel)
                    parcel.answer.set_exception(error)

    async def _bring(self, batch: Sequence[Parcel]) -> None:
        """Try a batch until every event has its answer."""
        pause = self._settings.first_pause
        while batch:
            error, asked = await self._try(batch)
            if error is None:
                return
            if not isinstance(error, _AGAIN):
                await self._refused(batch, error)
                return
            pause_now = max(asked, min(pause, self._settings.longest_pause) * (1 + random.random() / 4))  # noqa: S311 (no secret)
            pause *= 2
            batch = self._still_in_time(batch, error, pause_now)
            if batch:
                await asyncio.sleep(pause_now)
                batch = [parcel for parcel in batch if not self._is_given_up(parcel)]

    async def _try(self, batch: Sequence[Parcel]) -> tuple[TidingsError | None, float]:
        """Send once; return what kept all of it from being answered, and how long the gateway asks to wait."""
        left = min(parcel.deadline for parcel in batch) - asyncio.get_running_loop().time()
        request = PublishBatchRequest(events=[parcel.event for parcel in batch])
        try:
            answer = await self._send(request, max(0.1, min(self._settings.timeout, left)))
        except grpc.aio.AioRpcError as failure:
            return error_of(failure), retry_after(failure) or 0.0
        for parcel, result in zip(batch, answer.results, strict=True):
            if result.HasField("published"):
                self._answer(parcel, result.published)
            else:
                event = parcel.event
                self._answer(parcel, fault_error(result.fault, org_id=event.org_id, event_id=event.event_id))
        return None, 0.0

    async def _refused(self, batch: Sequence[Parcel], error: TidingsError) -> None:
        """Find out whom a refusal of the whole batch is about: it may be one event that is too large for the rest."""
        if len(batch) == 1:
            self._answer(batch[0], error)
            return
        for parcel in batch:
            await self._bring([parcel])

    def _still_in_time(self, batch: Sequence[Parcel], error: TidingsError, pause: float) -> list[Parcel]:
        now = asyncio.get_running_loop().time()
        in_time = []
        for parcel in batch:
            if parcel.deadline > now + pause:
                in_time.append(parcel)
            else:
                self._answer(parcel, _given_up(error, self._settings.patience))
        return in_time

    def _is_given_up(self, parcel: Parcel) -> bool:
        """Say whether nobody waits for the answer any more; then the event is not sent."""
        if parcel.answer.cancelled():
            self._buffer.done(parcel)
            return True
        return False

    def _answer(self, parcel: Parcel, answer: PublishResponse | TidingsError) -> None:
        self._buffer.done(parcel)
        if parcel.answer.done():
            return
        if isinstance(answer, TidingsError):
            parcel.answer.set_exception(answer)
        else:
            parcel.answer.set_result(answer)


def _given_up(error: TidingsError, patience: float) -> GatewayUnreachable:
    return GatewayUnreachable(f"not committed, as far as is known, after {patience:g} s of trying: {error}")
