"""Finds the rules that an event could match, without asking each.

The rules of one event name are told apart by organisation, then by the rarest equality that each must meet, again and
again until few are left, and last by sorted thresholds. An index only leaves out rules; whether one that is left
applies, its condition says. What the requirements of rules rest on is checked too (see ``requirements``), so deciding
with the index and without gives the same matches and the same failures.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from google.protobuf.descriptor import FieldDescriptor

from tidings.expressions import Expression
from tidings.rules.glance import Glance, glance_for
from tidings.rules.requirements import Equality, FieldPath, Requirements, Threshold, requirements
from tidings.rules.subject import BoundExpressions, Subject

FEW: Final = 4
"""So many rules are evaluated sooner than told apart."""

DEEP: Final = 6
"""Rules are told apart by so many equalities one after the other, and then left together."""


class Indexed(Protocol):
    """What the index asks of a rule."""

    @property
    def orgs(self) -> frozenset[int] | None:
        """Organisations it is for, or None for all."""

    @property
    def when(self) -> Expression | None:
        """Its condition, or None for always."""


R = TypeVar("R", bound=Indexed)


@dataclass(frozen=True, slots=True)
class Entry(Generic[R]):
    """A rule with its place among all and what its condition requires."""

    position: int
    rule: R
    requires: Requirements


class EventIndex(Generic[R]):
    """The rules of one event name."""

    __slots__ = ("_by_org", "_everywhere", "_numbers", "_texts", "bound", "glance")

    def __init__(self, name: str, rules: Iterable[tuple[int, R]]) -> None:
        self.bound = BoundExpressions(name)
        """The expressions of the rules, compiled for this event's message."""
        entries = [Entry(position, rule, requirements(rule.when)) for position, rule in rules]
        self._numbers = frozenset(path for entry in entries for path in entry.requires.numbers)
        self._texts = frozenset(path for path in self._numbers if self.bound.may_hold_text(path))
        self._everywhere = _Branch([entry for entry in entries if entry.rule.orgs is None])
        by_org: dict[int, list[Entry[R]]] = {}
        for entry in entries:
            for org in entry.rule.orgs or ():
                by_org.setdefault(org, []).append(entry)
        self._by_org = {org: _Branch(of_org) for org, of_org in by_org.items()}
        self.glance = None if self._texts or self.bound.field is None else self._look(self.bound.field)
        """Rules out most events, those of which the messages model every value; None where it would not."""

    def _look(self, field: FieldDescriptor) -> Glance | None:
        return self._everywhere.glance(field, {org: branch.glance(field, {}) for org, branch in self._by_org.items()})

    def candidates(self, org_id: int, subject: Subject) -> list[tuple[int, R]]:
        """Return the rules that could match, in their order.

        Where a path that some rule orders against a number holds a text, all rules of the organisation are returned:
        those that fail on it must fail. No number field of a message is a text; a value that came unmodelled may be.
        """
        found: list[Entry[R]] = []
        doubtful = self._numbers if subject.may_mix_types else self._texts
        mixed = bool(doubtful) and any(subject.at(path).__class__ is str for path in doubtful)
        for branch in (self._everywhere, self._by_org.get(org_id)):
            if branch is None:
                continue
            if mixed:
                found += branch.entries
            else:
                branch.find(subject, found)
        return sorted((entry.position, entry.rule) for entry in found) if len(found) > 1 else _pairs(found)


def _pairs(entries: Sequence[Entry[R]]) -> list[tuple[int, R]]:
    return [(entry.position, entry.rule) for entry in entries]


class _Branch(Generic[R]):
    """Rules that share what they were told apart by so far."""

    __slots__ = ("_equalities", "_plain", "_thresholds", "entries")

    def __init__(self, entries: list[Entry[R]], used: frozenset[Equality] = frozenset()) -> None:
        self.entries = entries
        self._plain: list[Entry[R]] = []
        self._equalities: dict[FieldPath, dict[Any, _Branch[R]]] = {}
        self._thresholds: list[_Thresholds[R]] = []
        if len(entries) <= FEW or len(used) >= DEEP:
            self._plain = entries
        else:
            self._arrange(used)

    def _arrange(self, used: frozenset[Equality]) -> None:
        sharing = Counter(each for entry in self.entries for each in set(entry.requires.equalities) - used)
        paths = Counter(each.path for each in sharing.elements())
        by_equality: dict[Equality, list[Entry[R]]] = {}
        by_threshold: dict[tuple[FieldPath, bool], list[tuple[float, Entry[R]]]] = {}
        for entry in self.entries:
            open_equalities = [each for each in entry.requires.equalities if each not in used]
            if open_equalities:
                rarest = min(open_equalities, key=lambda each: (sharing[each], -paths[each.path], each.path))
                by_equality.setdefault(rarest, []).append(entry)
            elif entry.requires.thresholds:
                threshold = entry.requires.thresholds[0]
                by_threshold.setdefault((threshold.path, threshold.above), []).append((threshold.value, entry))
            else:
                self._plain.append(entry)
        for equality, entries in by_equality.items():
            branches = self._equalities.setdefault(equality.path, {})
            branches[equality.value] = _Branch(entries, used | {equality})
        self._thresholds = [
            _Thresholds(path, above=above, pairs=pairs) for (path, above), pairs in by_threshold.items()
        ]

    def glance(self, field: FieldDescriptor, of_orgs: Mapping[int, Glance | None]) -> Glance | None:
        """Return what sees that none of the rules, nor any of those, can match an event; None where nothing does."""
        values: list[tuple[FieldPath, Collection[Any]]] = list(self._equalities.items())
        bounds = [each.loosest for each in self._thresholds]
        for entry in self._plain:
            if entry.requires.equalities:
                equality = entry.requires.equalities[0]
                values.append((equality.path, (equality.value,)))
            elif entry.requires.thresholds:
                bounds.append(entry.requires.thresholds[0])
            else:
                return None
        return glance_for(field, values, bounds, of_orgs)

    def find(self, subject: Subject, found: list[Entry[R]]) -> None:
        """Add the rules that could match."""
        found += self._plain
        for path, branches in self._equalities.items():
            value = subject.at(path)
            if value.__class__ not in (list, dict) and (branch := branches.get(value)) is not None:
                branch.find(subject, found)
        for thresholds in self._thresholds:
            found += thresholds.find(subject)


class _Thresholds(Generic[R]):
    """Rules that require a number at one path to be above, or below, one of their own."""

    __slots__ = ("_above", "_bounds", "_entries", "_path")

    def __init__(self, path: FieldPath, *, above: bool, pairs: list[tuple[float, Entry[R]]]) -> None:
        pairs.sort(key=lambda pair: (pair[0], pair[1].position))
        self._path = path
        self._above = above
        self._bounds = [bound for bound, _ in pairs]
        self._entries = [entry for _, entry in pairs]

    @property
    def loosest(self) -> Threshold:
        """What a number must meet to meet any."""
        return Threshold(self._path, self._above, self._bounds[0 if self._above else -1])

    def find(self, subject: Subject) -> Sequence[Entry[R]]:
        """Return the rules whose bound the number meets; a bound equal to it counts, whatever the operator."""
        value = subject.at(self._path)
        if value.__class__ is not int and value.__class__ is not float:
            return ()
        if self._above:
            return self._entries[: bisect_right(self._bounds, value)]
        return self._entries[bisect_left(self._bounds, value) :]
