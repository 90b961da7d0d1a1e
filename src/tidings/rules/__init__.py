"""Rules: what a rulebook says, and what follows from it for an event.

``compile_rules`` turns the files of a rulebook into a ``RuleSet`` and reports every problem at its place; ``decide``
says which rules apply to an event and what they send, ``explain`` says why; ``webhook_payload`` is the body of a
webhook. All of it is pure: the time is an argument.

Limits: ``digest`` is refused as not supported yet.
"""

from tidings.rules.cancelling import Revocation, revocation
from tidings.rules.compiling import compile_rules
from tidings.rules.deciding import Decision, Match, RuleFailure, decide
from tidings.rules.explaining import Part, RuleExplanation, Verdict, brief, cut, explain
from tidings.rules.pace import Pace, unhurried
from tidings.rules.payload import webhook_payload
from tidings.rules.ruleset import Action, CompiledBody, EmailAction, Rule, RuleSet, WebhookAction
from tidings.rules.shapes import BrandsFile, RulesFile
from tidings.rules.timing import CancelOn, Rollout, Throttle, Timing

__all__ = [
    "Action",
    "BrandsFile",
    "CancelOn",
    "CompiledBody",
    "Decision",
    "EmailAction",
    "Match",
    "Pace",
    "Part",
    "Revocation",
    "Rollout",
    "Rule",
    "RuleExplanation",
    "RuleFailure",
    "RuleSet",
    "RulesFile",
    "Throttle",
    "Timing",
    "Verdict",
    "WebhookAction",
    "brief",
    "compile_rules",
    "cut",
    "decide",
    "explain",
    "revocation",
    "unhurried",
    "webhook_payload",
]
