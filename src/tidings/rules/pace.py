"""How compiling lets others go first.

Compiling a large rulebook keeps the interpreter busy for longer than a caller of the gateway should wait. It is
pure and knows no clock, so it only says where it could pause, after each piece of a millisecond or so; whoever has it
compiled decides whether it does.
"""

from collections.abc import Callable

Pace = Callable[[], None]
"""Called between pieces of work."""


def unhurried() -> None:
    """Go on at once: nobody waits meanwhile."""
