"""Rules: what a rulebook says, and what follows from it for an event.

``compile_rules`` turns the files of a rulebook into a ``RuleSet`` and reports every problem at its place; ``decide``
says which rules apply to an event and what they send, ``explain`` says why; ``webhook_payload`` is the body of a
webhook. All of it is pure: the time is an argument.
"""

from tidings.rules.cancelling import Revocation, revocation
from tidings.rules.compiling import compile_rules
from tidings.rules.deciding import NOTHING, Decision, Match, RuleFailure, decide
from tidings.rules.explaining import Part, RuleExplanation, Verdict, brief, cut, explain
from tidings.rules.gathering import gathered_until
from tidings.rules.pace import Pace, unhurried
from tidings.rules.payload import Gathered, webhook_payload
from tidings.rules.ruleset import Action, CompiledBody, EmailAction, Rule, RuleSet, WebhookAction
from tidings.rules.shapes import BrandsFile, RulesFile
from tidings.rules.timing import CancelOn, Digest, Rollout, Throttle, Timing

__all__ = [
    "NOTHING",
    "Action",
    "BrandsFile",
    "CancelOn",
    "CompiledBody",
    "Decision",
    "Digest",
    "EmailAction",
    "Gathered",
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
    "gathered_until",
    "revocation",
    "unhurried",
    "webhook_payload",
]
