"""When a rule's messages go, as compiled; what each key asks for is said in rules/README.md."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What a rule says of the time of its messages. As it stands here they go at once, save in quiet hours."""

    urgent: bool = False
    """Whether e-mails to customers pass their quiet hours."""
