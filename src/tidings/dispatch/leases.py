"""The deliveries in hand, and their leases: renewed at half their length, so that a slow send keeps its own."""

from collections.abc import Callable, Iterator

from tidings.dispatch.destination import Job
from tidings.store import Store


class InHand:
    """What was leased and is not settled yet, the lease that ends first in front."""

    def __init__(self, store: Store, *, clock: Callable[[], int], lease: int) -> None:
        self._store = store
        self._clock = clock
        self._lease = lease
        """Milliseconds."""
        self._jobs: dict[Job, None] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: Job) -> None:
        """Take a delivery that was just leased."""
        self._jobs[job] = None

    def discard(self, job: Job) -> None:
        """Let go of a delivery."""
        self._jobs.pop(job, None)

    def may_be_taken(self, now: int) -> bool:
        """Say whether the store may hand out again what is in hand: the process slept, or the clock was put forward."""
        first = next(iter(self._jobs), None)
        return first is not None and first.until < now

    async def renew(self) -> list[Job]:
        """Renew what is past half its lease; return what another worker has taken. Raises StoreUnavailable."""
        now = self._clock()
        ending = list(self._ending(now))
        if not ending:
            return []
        until = now + self._lease
        renewed = await self._store.renew([(job.leased.delivery.id, job.leased.fence) for job in ending], until=until)
        lost = []
        for job, kept in zip(ending, renewed, strict=True):
            if job not in self._jobs:
                continue  # settled in the meantime
            if kept:
                job.until = until
                self._jobs[job] = self._jobs.pop(job)
            else:
                job.lost = True
                lost.append(job)
        return lost

    def _ending(self, now: int) -> Iterator[Job]:
        for job in self._jobs:
            # A lease that ends later than any lease can is one from before the clock was put back. It is renewed too,
            # or it would stand in front of those that end sooner.
            if self._lease // 2 < job.until - now <= self._lease:
                return
            if not job.lost:
                yield job
