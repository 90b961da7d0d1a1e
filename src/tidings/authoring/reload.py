"""Keeping the live rulebook in step with its folder.

A reload does all fallible work aside, in a thread, and swaps whole; one that fails keeps what is live and
says why. What was decided on the old rulebook stays with it: deliveries carry their revision.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tidings.authoring.compiling import compile_aside
from tidings.errors import TidingsError
from tidings.model import Problem, Secrets, Severity
from tidings.rulebook import InvalidRulebook, Rulebook, Rulebooks, pack, rulebook_files
from tidings.store import Revision, Store
from tidings.telemetry import events, get_logger
from tidings.telemetry.metrics import Metrics

log = get_logger()

Fingerprint = frozenset[tuple[str, int, int, int]]
"""Path, inode, size and modification time of every file: cheap to take, and different after any change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadStatus:
    """What is live, and what came of the last reload."""

    revision: str
    live_since: int
    last_reload_at: int
    succeeded: bool
    """Whether the last reading went live, or was what was live already."""
    problems: tuple[Problem, ...]


class Reloader:
    """Reads the rulebook's folder when told to, or when it changes."""

    def __init__(  # noqa: PLR0913 (the ports it joins)
        self,
        folder: Path,
        *,
        rulebooks: Rulebooks,
        store: Store,
        secrets: Secrets,
        metrics: Metrics,
        clock: Callable[[], int],
        loaded: Fingerprint,
        went_live: Callable[[], None] = lambda: None,
    ) -> None:
        """Start from what is live, read from files with the facts ``loaded``; tell ``went_live`` of what follows it."""
        self._went_live = went_live
        self._folder = folder
        self._rulebooks = rulebooks
        self._store = store
        self._secrets = secrets
        self._metrics = metrics
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._loaded = loaded
        live, now = rulebooks.current, clock()
        self.status = ReloadStatus(
            revision=live.revision, live_since=now, last_reload_at=now, succeeded=True, problems=live.problems
        )
        metrics.rulebook.labels(live.revision).set(1)

    async def reload(self) -> ReloadStatus:
        """Read the folder again and make it live if it has no errors; never raises for what is in it."""
        async with self._one_at_a_time:
            try:
                await self._go_live(await asyncio.to_thread(self._read))
            except InvalidRulebook as error:
                self._refuse(error.problems)
            except OSError as error:
                self._refuse([_unreadable(self._folder, error)])
            except TidingsError as error:
                self._refuse([_unkept(self._folder, error)])
            return self.status

    async def watch(self, *, every: float) -> None:
        """Reload whenever the folder has changed and then stayed the same for one look; runs until cancelled.

        Looking at the files' facts, rather than listening for changes, sees renames by editors, swapped
        symbolic links and network file systems alike; waiting for quiet lets half-written files be finished.
        """
        seen = self._loaded
        while True:
            await asyncio.sleep(every)
            now = await asyncio.to_thread(fingerprint, self._folder)
            if now == seen and now != self._loaded:
                await self.reload()
            seen = now

    def _read(self) -> Rulebook:
        # Before the files are read: what changes meanwhile is then seen as a change.
        self._loaded = fingerprint(self._folder)
        return compile_aside(self._folder, secrets=self._secrets)

    async def _go_live(self, rulebook: Rulebook) -> None:
        now = self._clock()
        before = self._rulebooks.current
        old = before.revision
        same = rulebook.revision == old
        if not same:
            # Stored first: nothing may be decided by a revision that a restart could not find again.
            archive = await asyncio.to_thread(pack, rulebook.sources)
            await self._store.save_revision(Revision(id=rulebook.revision, created_at=now, archive=archive))
            self._rulebooks.replace(rulebook)
            self._went_live()
            with contextlib.suppress(KeyError):
                self._metrics.rulebook.remove(old)
            self._metrics.rulebook.labels(rulebook.revision).set(1)
            self._metrics.forget_rules(_ids(before) - _ids(rulebook))
        self.status = ReloadStatus(
            revision=rulebook.revision,
            live_since=self.status.live_since if same else now,
            last_reload_at=now,
            succeeded=True,
            problems=rulebook.problems,
        )
        self._metrics.reloads.labels("unchanged" if same else "live").inc()
        self._metrics.rulebook_failing.set(0)
        log.info(events.RULEBOOK_LOADED, revision=rulebook.revision, rules=len(rulebook.rules.rules), changed=not same)

    def _refuse(self, problems: Sequence[Problem]) -> None:
        self.status = replace(self.status, last_reload_at=self._clock(), succeeded=False, problems=tuple(problems))
        self._metrics.reloads.labels("refused").inc()
        self._metrics.rulebook_failing.set(1)
        errors = [each for each in problems if each.severity is Severity.ERROR]
        log.error(
            events.RULEBOOK_REFUSED,
            live=self.status.revision,
            errors=len(errors),
            first=str(errors[0]) if errors else "",
        )


def _ids(rulebook: Rulebook) -> set[str]:
    return {rule.id for rule in rulebook.rules.rules}


def fingerprint(folder: Path) -> Fingerprint:
    """Take the facts of every file of a rulebook; of what vanishes meanwhile, none."""
    facts = set()
    with contextlib.suppress(OSError):
        for path in rulebook_files(folder):
            with contextlib.suppress(OSError):
                stat = path.stat()
                facts.add((str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return frozenset(facts)


def _unreadable(folder: Path, error: OSError) -> Problem:
    message = f"the folder cannot be read: {error.strerror or error}"
    return Problem(file=str(folder), line=1, column=1, code="unreadable", message=message)


def _unkept(folder: Path, error: TidingsError) -> Problem:
    message = f"the new revision could not be stored, so it did not go live: {error}"
    hint = "the rulebook itself may be fine; reload again once the store answers"
    return Problem(file=str(folder), line=1, column=1, code="store-unavailable", message=message, hint=hint)
