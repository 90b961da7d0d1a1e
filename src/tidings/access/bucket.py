"""What somebody may spend: an amount that refills as time goes by. Pure: the time is an argument, in seconds."""


class Bucket:
    """Full at first. A clock that is put back neither fills nor empties it."""

    __slots__ = ("_left", "_most", "_per_second", "_since")

    def __init__(self, *, most: float, per_second: float, now: float) -> None:
        self._most = most
        self._per_second = per_second
        self._left = most
        self._since = now

    def spend(self, cost: float, now: float) -> float:
        """Take a cost and return 0; or, where there is not enough, take nothing and return the seconds to wait."""
        self._refill(now)
        if self._left >= cost:
            self._left -= cost
            return 0.0
        return (cost - self._left) / self._per_second

    def fine(self, cost: float, now: float) -> None:
        """Take a cost that was not known beforehand, down to nothing left."""
        self._refill(now)
        self._left = max(0.0, self._left - cost)

    def _refill(self, now: float) -> None:
        self._left = min(self._most, self._left + max(0.0, now - self._since) * self._per_second)
        self._since = now
