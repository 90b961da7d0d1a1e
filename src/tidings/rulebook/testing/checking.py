"""What ``tidings check`` has to say of the tests of a rulebook."""

from collections.abc import Iterator, Sequence

from tidings.model import Problem, Severity, Source
from tidings.rulebook.testing.cases import Suite, read_tests, rules_documents
from tidings.rulebook.testing.running import decide_case
from tidings.rules import Rule, RuleSet


def check_tests(sources: Sequence[Source], rules: RuleSet) -> tuple[Problem, ...]:
    """Return everything wrong with the tests of a rulebook, and a warning for each rule that no case matches.

    Nothing is said of a rulebook without tests: the first rule comes before the first test.

    Args:
        sources: files of the rulebook, those that events come from among them (``read_event_files``).
        rules: the rules that compiled.
    """
    suite = read_tests(sources, rules)
    found = [*suite.problems, *(problem for case in suite.cases for problem in case.problems)]
    return tuple(sorted((*found, *untested(rules, suite, sources))))


def untested(rules: RuleSet, suite: Suite, sources: Sequence[Source]) -> Iterator[Problem]:
    """Yield a warning for each rule that is not off and that no case matches; nothing where there are no tests."""
    if not suite.files:
        return
    matched = {match.rule_id for case in suite.cases for match in decide_case(rules, case)[0].matches}
    missed = {rule.id: rule for rule in rules.rules if rule.mode != "off" and rule.id not in matched}
    files = {rule.file for rule in missed.values()}
    for document in rules_documents(sources, files.__contains__) if files else ():
        for position, item in enumerate(document.value(("rules",)) or ()):
            rule = missed.get(item.get("id", "")) if isinstance(item, dict) else None
            if _stands_at(rule, document.source.path, document.place(("rules", position)).line):
                yield document.problem(
                    ("rules", position, "id"),
                    code="untested-rule",
                    message=f"no test covers the rule {item['id']!r}",
                    hint="add a case to a *_test.yaml whose event the rule applies to",
                    severity=Severity.WARNING,
                )


def _stands_at(rule: Rule | None, file: str, line: int) -> bool:
    return rule is not None and (rule.file, rule.line) == (file, line)
