"""What the cases of a rulebook exercise: each rule, and each clause within its condition.

A rule is covered when a case matched it and a case did not. A clause is a condition as a whole, each operand of
``&&``, ``||`` and ``!`` however deep, and each comparison; it is covered when the cases saw it true and saw it not
true. A rule whose mode is off counts for nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from tidings.events import event_name, native_view
from tidings.expressions import Expression, Trace, trace
from tidings.expressions.nodes import Kind, Node
from tidings.expressions.values import is_true
from tidings.rulebook.testing.running import Result
from tidings.rules import Rule, RuleSet

_JUNCTIONS = (Kind.AND, Kind.OR, Kind.NOT)
_CONSTANT = (Kind.LITERAL, Kind.NOT)
"""What is no clause: a literal never changes, and what ``!`` says its operand says."""

Spot = tuple[int, int, Kind]
"""Offset, length and kind of a part of an expression: which part it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One clause of a condition, and what the cases saw of it."""

    text: str
    seen_true: bool
    seen_untrue: bool

    @property
    def covered(self) -> bool:
        """Whether it was seen both ways."""
        return self.seen_true and self.seen_untrue


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCoverage:
    """What the cases saw of one rule."""

    rule: Rule
    matched: int
    """How many cases it matched."""
    unmatched: int
    """How many it did not."""
    clauses: tuple[Clause, ...]

    @property
    def covered(self) -> bool:
        """Whether a case matched it and a case did not."""
        return self.matched > 0 and self.unmatched > 0

    @property
    def gaps(self) -> Iterator[str]:
        """Say what no case showed, a line each."""
        if not self.matched:
            yield "no case matches the rule"
        if not self.unmatched:
            yield "no case leaves the rule unmatched"
        for clause in self.clauses:
            if not clause.seen_true:
                yield f"never true: {clause.text}"
            if not clause.seen_untrue:
                yield f"never other than true: {clause.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """So many of so many."""

    covered: int
    total: int

    def reaches(self, percent: Fraction) -> bool:
        """Say whether the share is at least so many per cent, exactly; nothing to cover reaches everything."""
        return self.covered * 100 >= percent * self.total

    @property
    def tenths(self) -> int:
        """The share in tenths of a per cent, rounded down."""
        return self.covered * 1000 // self.total if self.total else 1000

    def __str__(self) -> str:
        return f"{self.covered} of {self.total} ({self.tenths // 10}.{self.tenths % 10} %)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What the cases saw of every rule that is not off, in the order of the rules."""

    rules: tuple[RuleCoverage, ...]

    @property
    def of_rules(self) -> Share:
        """How many rules are covered."""
        return Share(covered=sum(each.covered for each in self.rules), total=len(self.rules))

    @property
    def of_clauses(self) -> Share:
        """How many clauses are covered."""
        clauses = [clause for each in self.rules for clause in each.clauses]
        return Share(covered=sum(clause.covered for clause in clauses), total=len(clauses))

    def reaches(self, percent: Fraction) -> bool:
        """Say whether rules and clauses both are covered to at least so many per cent."""
        return self.of_rules.reaches(percent) and self.of_clauses.reaches(percent)


def measure(rules: RuleSet, results: Sequence[Result]) -> Coverage:
    """Measure what cases that were run exercise."""
    watched = {rule.id: _Watched(rule) for rule in rules.rules if rule.mode != "off"}
    by_event: dict[str, list[_Watched]] = {}
    for each in watched.values():
        for name in dict.fromkeys(each.rule.events):
            by_event.setdefault(name, []).append(each)
    ran = [result for result in results if result.case.event is not None]
    for result in ran:
        for match in result.decision.matches:
            watched[match.rule_id].matched += 1
        _watch(rules, by_event, result)
    return Coverage(rules=tuple(each.coverage(cases=len(ran)) for each in watched.values()))


def _watch(rules: RuleSet, by_event: Mapping[str, Sequence["_Watched"]], result: Result) -> None:
    """Note what the clauses come to of every rule that is for the event of a case."""
    event = result.case.event
    brand = rules.brands.get(event.org_id) if event is not None else None
    if event is None or brand is None:
        return
    view = native_view(event)
    for each in by_event.get(event_name(event), ()):
        rule = each.rule
        if rule.when is not None and (rule.orgs is None or event.org_id in rule.orgs):
            each.see(trace(rule.when, view, now=result.now, zone=brand.time_zone))


@dataclass(slots=True)
class _Watched:
    """A rule, and what was seen of it so far."""

    rule: Rule
    matched: int = 0
    true: set[Spot] = field(default_factory=set)
    untrue: set[Spot] = field(default_factory=set)

    def see(self, traced: Trace) -> None:
        """Note what every part of a condition came to; the whole counts as true only when it is exactly that."""
        parts = [traced]
        while parts:
            part = parts.pop()
            parts += part.children
            if part.error is None:
                holds = part.value is True if part is traced else is_true(part.value)
                (self.true if holds else self.untrue).add((part.offset, part.length, part.kind))

    def coverage(self, *, cases: int) -> RuleCoverage:
        when = self.rule.when
        clauses = () if when is None else tuple(self._clause(when, node) for node in clauses_of(when))
        return RuleCoverage(rule=self.rule, matched=self.matched, unmatched=cases - self.matched, clauses=clauses)

    def _clause(self, when: Expression, node: Node) -> Clause:
        spot = (node.offset, node.length, node.kind)
        text = when.text[node.offset : node.end]
        return Clause(text=text, seen_true=spot in self.true, seen_untrue=spot in self.untrue)


def clauses_of(expression: Expression) -> list[Node]:
    """Return the clauses of a condition, outer before inner, left before right, each once."""
    found: dict[Spot, Node] = {}
    for node in _candidates(expression.root):
        if node.kind not in _CONSTANT:
            found.setdefault((node.offset, node.length, node.kind), node)
    return list(found.values())


def _candidates(root: Node) -> Iterator[Node]:
    yield root
    for node in root.walk():
        if node.kind is Kind.COMPARE:
            yield node
        if node.kind in _JUNCTIONS:
            yield from node.children
