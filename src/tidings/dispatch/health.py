"""How an endpoint has done over days, and when it is given up: pure, the hour is an argument."""

import hashlib
from typing import Final, Literal

from tidings.store import EndpointState

Ended = Literal["gone", "failing"]
"""Why an endpoint was disabled: it said that it is gone, or it failed for too long."""

WORTH_KEEPING_MS: Final = 60_000
"""A run of failures shorter than this is not written down: an endpoint that flickers costs no writes."""
_FEWEST_FAILURES: Final = 3


class EndpointHealth:
    """Follows one endpoint; ``stale`` says that the store remembers something else."""

    __slots__ = ("_failures", "_stored", "_url_digest", "disabled_at", "failing_since", "name", "org_id", "reason")

    def __init__(self, org_id: int, name: str, stored: EndpointState | None = None) -> None:
        self.org_id = org_id
        self.name = name
        self._failures = 0
        self._stored = stored
        self.failing_since = stored.failing_since if stored else None
        self.disabled_at = stored.disabled_at if stored else None
        self.reason = stored.reason if stored else ""
        self._url_digest = stored.url_digest if stored else ""

    def succeeded(self) -> None:
        """Forget earlier failures."""
        self.failing_since = None
        self._failures = 0

    def failed(self, now: int) -> None:
        """Count a failure."""
        self._failures += 1
        if self.failing_since is None:
            self.failing_since = now

    def is_worn_out(self, now: int, *, after: int) -> bool:
        """Say whether every attempt has failed for ``after`` milliseconds, and there were some."""
        since = self.failing_since
        return since is not None and now - since >= after and self._failures >= _FEWEST_FAILURES

    def disable(self, now: int, reason: str, *, url: str) -> None:
        """Give the endpoint up as it stands at this url."""
        self.disabled_at = now
        self.reason = reason
        self._url_digest = url_digest(url)

    def enable(self) -> None:
        """Put the endpoint back into use with a clean slate."""
        self.succeeded()
        self.disabled_at = None
        self.reason = ""
        self._url_digest = ""

    def was_disabled_at(self, url: str) -> bool:
        """Say whether it was at this url that the endpoint was given up."""
        return self._url_digest == url_digest(url)

    def to_store(self, now: int, *, at_least: int = WORTH_KEEPING_MS) -> EndpointState | None:
        """Return what the store should remember, or None when it does already.

        A run of failures that has lasted less than ``at_least`` milliseconds is not worth it.
        """
        lasting = self.failing_since is not None and now - self.failing_since >= at_least
        known = self._stored is not None and self._stored.failing_since == self.failing_since
        wanted = EndpointState(
            org_id=self.org_id,
            name=self.name,
            failing_since=self.failing_since if lasting or known or self.disabled_at is not None else None,
            disabled_at=self.disabled_at,
            reason=self.reason,
            url_digest=self._url_digest,
        )
        remembered = self._stored or EndpointState(org_id=self.org_id, name=self.name)
        return None if wanted == remembered else wanted

    def follow(self, state: EndpointState) -> bool:
        """Take over what another process has made of the endpoint; say whether that put it back into use."""
        if state == (self._stored or EndpointState(org_id=self.org_id, name=self.name)):
            return False
        self._stored = state
        was = self.disabled_at
        if was == state.disabled_at:
            self._follow_failures(state.failing_since)
            return False
        self.failing_since, self.disabled_at = state.failing_since, state.disabled_at
        self.reason, self._url_digest = state.reason, state.url_digest
        self._failures = 0
        return was is not None and state.disabled_at is None

    def _follow_failures(self, since: int | None) -> None:
        """A success anywhere ends the run of failures; one that began earlier elsewhere has lasted for longer."""
        if since is None:
            self.succeeded()
        else:
            self.failing_since = since if self.failing_since is None else min(since, self.failing_since)

    def kept(self, state: EndpointState) -> None:
        """Note that the store remembers this now."""
        self._stored = state


def url_digest(url: str) -> str:
    """Return what stands for a url in the store: it tells urls apart and gives away none, for some hold tokens."""
    return hashlib.sha256(url.encode()).hexdigest()[:12]
