"""From what a rule says of the time of its messages to the compiled form of it."""

from tidings.rules.shapes import RuleShape
from tidings.rules.timing import Timing


def read_timing(shape: RuleShape) -> Timing:
    """Compile the keys that say when."""
    return Timing(urgent=shape.urgent)
