"""Explanations and problems as messages, cut to what a caller can take in one answer."""

from collections.abc import Mapping, Sequence
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from tidings.authoring.evaluate import Evaluation
from tidings.expressions import Trace
from tidings.gateway.v1 import rule_service_pb2 as pb
from tidings.model import PlannedDelivery, Problem, Severity
from tidings.rules import Part, Rule, RuleExplanation, Verdict, brief, cut

MOST_RULES: Final = 1_000
MOST_BYTES: Final = 3_000_000
"""Clients take 4 MB unless told otherwise."""
MOST_NODES: Final = 400
"""Parts of one condition that are told."""
DEEPEST: Final = 50
"""Protobuf reads a hundred messages within each other, and those round the trace count, too."""
MOST_PROBLEMS: Final = 1_000
_TEXT: Final = 200
_FIRST: Final = -62_135_596_800_000
_LAST: Final = 253_402_300_799_999
"""The beginning of the year 1 and the end of the year 9999: a Timestamp holds what is between."""

VERDICTS: Final[Mapping[Verdict, pb.Verdict.ValueType]] = {
    verdict: pb.Verdict.Value(f"VERDICT_{verdict.name}") for verdict in Verdict
}
SEVERITIES: Final[Mapping[Severity, pb.Severity.ValueType]] = {
    severity: pb.Severity.Value(f"SEVERITY_{severity.name}") for severity in Severity
}
_WORTH_TELLING: Final = (Verdict.MATCHED, Verdict.FAILED)


def evaluation_to_proto(evaluation: Evaluation, *, room: int = MOST_BYTES) -> pb.EvaluateResponse:
    """Convert an evaluation into ``room`` bytes; where it is too much, rules that do not match are left out first."""
    rules = evaluation.rules
    told: dict[int, pb.RuleExplanation] = {}
    for place in sorted(range(len(rules)), key=lambda each: (_rank(rules[each]), each))[:MOST_RULES]:
        message = explanation_to_proto(rules[place])
        room -= message.ByteSize()
        if told and room < 0:
            break
        told[place] = message
    return pb.EvaluateResponse(
        revision=evaluation.revision,
        decided_at=_timestamp(evaluation.decided_at),
        rules=[told[place] for place in sorted(told)],
        omitted_rules=len(rules) - len(told),
        other_rules=evaluation.other_rules,
    )


def _rank(explanation: RuleExplanation) -> int:
    if explanation.verdict in _WORTH_TELLING:
        return 0
    return 1 if explanation.near_miss is not None else 2


def explanation_to_proto(explanation: RuleExplanation) -> pb.RuleExplanation:
    """Convert what one rule says."""
    rule = explanation.rule
    condition = rule.when.text if rule.when is not None else ""
    message = pb.RuleExplanation(
        rule_id=rule.id,
        mode=rule.mode,
        matched=explanation.matched,
        verdict=VERDICTS[explanation.verdict],
        reason=explanation.reason,
        condition=condition,
        failures=explanation.failures,
        deliveries=[_planned_to_proto(each) for each in explanation.deliveries],
    )
    if explanation.trace is not None:
        message.trace.CopyFrom(_Tracing(condition, explanation.trace.decided_by).node(explanation.trace))
    if explanation.decided_by is not None:
        message.decided_by.CopyFrom(_part_to_proto(explanation.decided_by))
    if explanation.near_miss is not None:
        message.near_miss.CopyFrom(_part_to_proto(explanation.near_miss))
    if explanation.expires_at is not None:
        message.expires_at.CopyFrom(_timestamp(explanation.expires_at))
    return message


class _Tracing:
    """The trace of one condition on its way into messages."""

    def __init__(self, condition: str, decided: Trace) -> None:
        self._condition = condition
        self._decided = decided
        self._room = MOST_NODES

    def node(self, told: Trace, depth: int = 0) -> pb.TraceNode:
        """Convert a part and those within it, as long as there is room."""
        self._room -= 1
        children: list[pb.TraceNode] = []
        for child in told.children:
            if self._room <= 0 or depth >= DEEPEST:
                break
            children.append(self.node(child, depth + 1))
        return pb.TraceNode(
            kind=told.kind.value,
            text=cut(self._condition[told.offset : told.offset + told.length], _TEXT),
            offset=told.offset,
            length=told.length,
            value_json="" if told.error is not None else brief(told.value, limit=_TEXT),
            error="" if told.error is None else str(told.error),
            decided=told is self._decided,
            children=children,
            omitted=told.omitted + len(told.children) - len(children),
        )


def _part_to_proto(part: Part) -> pb.ConditionPart:
    return pb.ConditionPart(
        text=cut(part.text, _TEXT),
        offset=part.offset,
        length=len(part.text),
        value_json="" if part.error else brief(part.value, limit=_TEXT),
        error=part.error,
        operands=[
            pb.Operand(text=cut(text, _TEXT), value_json=brief(value, limit=_TEXT)) for text, value in part.operands
        ],
    )


def _planned_to_proto(planned: PlannedDelivery) -> pb.PlannedDelivery:
    return pb.PlannedDelivery(id=planned.id, channel=planned.channel.value, recipient=str(planned.recipient))


def rule_to_proto(rule: Rule) -> pb.RuleSummary:
    """Convert a rule."""
    return pb.RuleSummary(
        id=rule.id,
        description=rule.description,
        events=rule.events,
        org_ids=sorted(rule.orgs or ()),
        condition=rule.when.text if rule.when is not None else "",
        mode=rule.mode,
        file=rule.file,
        line=rule.line,
    )


def problems_to_proto(problems: Sequence[Problem]) -> tuple[list[pb.RulebookProblem], int]:
    """Convert problems; return as many as an answer holds, and how many are left out."""
    told = [
        pb.RulebookProblem(
            file=each.file,
            line=each.line,
            column=each.column,
            code=each.code,
            severity=SEVERITIES[each.severity],
            message=each.message,
            hint=each.hint,
        )
        for each in problems[:MOST_PROBLEMS]
    ]
    return told, len(problems) - len(told)


def _timestamp(milliseconds: int) -> Timestamp:
    """Convert epoch milliseconds; a time that no Timestamp holds becomes the nearest that one does."""
    converted = Timestamp()
    converted.FromMilliseconds(max(_FIRST, min(milliseconds, _LAST)))
    return converted
