"""``tidings explain``: why each rule does, or does not, apply to an event; and how explanations are printed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from tidings.authoring.evaluate import evaluate
from tidings.cli.given import read_event, read_moment, read_rulebook
from tidings.cli.terminal import Format, FormatOption, fail, out, print_json
from tidings.documents import did_you_mean
from tidings.errors import NotFound
from tidings.events import event_name
from tidings.gateway.v1 import rule_service_pb2 as pb
from tidings.rpc.explanations import evaluation_to_proto

_LONGEST = 120
_VALUE = 60
_UNWRAPPED = 10_000
"""So wide are lines for whatever is no terminal, which may want to search them."""


def explain(
    rules: Annotated[Path, typer.Argument(help="The rulebook's folder.")],
    event: Annotated[
        str,
        typer.Argument(help="A JSON payload in any envelope, - for standard input, or an event's name for its sample."),
    ],
    rule: Annotated[str | None, typer.Option(help="Only this rule, whatever event it is for.")] = None,
    now: Annotated[
        str | None, typer.Option(metavar="ISO", help="When to decide; in UTC unless it says otherwise.")
    ] = None,
    org: Annotated[int | None, typer.Option(help="The organisation, for a payload that names none.")] = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Tell for each rule whether it applies to an event, with the value of every part of its condition.

    ✓ applies, ✗ does not, ~ does not for one part alone. The part that decided is marked. Nothing is sent.

    Example: tidings explain rules pointsExpiryReminder --now 2023-06-01
    """
    moment = read_moment(now)
    rulebook = read_rulebook(rules, form, verb="explain")
    read = read_event(event, org, verb="explain")
    try:
        evaluation = evaluate(rulebook, read, now=moment, rule_id=rule)
    except NotFound as error:
        fail(f"{error} in {rules}; {did_you_mean(error.name, (each.id for each in rulebook.rules.rules))}".rstrip("; "))
    response = evaluation_to_proto(evaluation)
    if form is Format.JSON:
        print_json(as_json(response))
    else:
        show(response, what=f"{event_name(read)} of organisation {read.org_id}")


def as_json(response: Message) -> dict[str, Any]:
    """Return an answer as the JSON that is printed of it: every key is always there, but for messages not set."""
    return MessageToDict(response, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def show(response: pb.EvaluateResponse, *, what: str) -> None:
    """Print an answer: a tree a rule, and a line for what is not told."""
    decided = response.decided_at.ToDatetime().isoformat(timespec="seconds")
    title = f"{what}, decided at {decided}Z by revision {response.revision}"
    out.print(title, markup=False, highlight=False, soft_wrap=True)
    trees = out if out.is_terminal else Console(width=_UNWRAPPED)
    for rule in response.rules:
        trees.print(_tree(rule))
    if response.omitted_rules:
        out.print(f"{_rules(response.omitted_rules)} for this event besides, not shown", highlight=False)
    if response.other_rules:
        verb = "is" if response.other_rules == 1 else "are"
        out.print(f"{_rules(response.other_rules)} {verb} for other events", highlight=False)


def _rules(count: int) -> str:
    return f"{count} rule" if count == 1 else f"{count} rules"


def _tree(rule: pb.RuleExplanation) -> Tree:
    mark, colour = _mark(rule)
    mode = "" if rule.mode == "live" else f" ({rule.mode})"
    tree = Tree(
        Text.assemble((f"{mark} ", colour), (rule.rule_id, f"bold {colour}"), f"{mode}: {rule.reason}"),
        guide_style="dim",
    )
    if rule.HasField("trace"):
        _grow(tree, rule.trace)
    for line in _consequences(rule):
        tree.add(Text(line, style="dim"))
    return tree


def _mark(rule: pb.RuleExplanation) -> tuple[str, str]:
    if rule.matched:
        return "✓", "green"
    return ("~", "yellow") if rule.HasField("near_miss") else ("✗", "red")


def _grow(tree: Tree, node: pb.TraceNode) -> None:
    """Add a part and those within it; a literal shows its value by itself."""
    label = Text.assemble(_short(" ".join(node.text.split()), _LONGEST), "  ", (_outcome(node), "bold"))
    if node.decided:
        label.stylize("yellow")
        label.append("  ◀ decided", style="yellow")
    branch = tree.add(label)
    for child in node.children:
        if child.kind != "literal":
            _grow(branch, child)
    if node.omitted:
        branch.add(Text(f"and {node.omitted} more", style="dim"))


def _outcome(node: pb.TraceNode) -> str:
    """Tell a part's value; why it failed is told once, where it began."""
    if not node.error:
        return f"→ {_short(node.value_json, _VALUE)}"
    return f"failed: {node.error}" if node.decided else "failed"


def _consequences(rule: pb.RuleExplanation) -> Iterator[str]:
    for delivery in rule.deliveries:
        yield f"{delivery.channel} to {delivery.recipient}"
    if rule.matched and rule.HasField("expires_at"):
        yield f"not after {rule.expires_at.ToDatetime().isoformat(timespec='seconds')}Z"


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
