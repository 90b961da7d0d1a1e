"""A rulebook as compiled: what deciding and composing work with."""

from dataclasses import dataclass

from tidings.model import Problem, Source
from tidings.render import TemplateSet
from tidings.rules import RuleSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """Rules, brands and templates of one folder, compiled together."""

    revision: str
    """Hash of the sources: the same files always have the same revision."""
    sources: tuple[Source, ...]
    rules: RuleSet
    templates: TemplateSet
    problems: tuple[Problem, ...]
    """Warnings; a rulebook with an error is never built."""
