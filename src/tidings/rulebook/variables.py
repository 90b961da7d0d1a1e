"""Do the templates read only what their events have? Rules know the events, templates the fields; here they meet."""

from collections.abc import Iterator, Mapping, Sequence

from tidings.documents import did_you_mean
from tidings.events import CatalogEvent, catalog
from tidings.expressions.types import Type, digest_type, field_type
from tidings.model import Problem, Severity
from tidings.render import TemplateSet, VariableUse
from tidings.rules import EmailAction, RuleSet


def unknown_variables(rules: RuleSet, templates: TemplateSet) -> Iterator[Problem]:
    """Yield a problem for each reading of a field that an event sent with the template does not have.

    It is an error when no event of the rules that use the template has the field, a warning when some have it.
    """
    for template, events in _events_of(rules).items():
        types = {event.name: digest_type(event.field) for event in events}
        seen: set[VariableUse] = set()
        for use in templates.variables(template):
            if use not in seen:
                seen.add(use)
                yield from _judge(use, types)


def _events_of(rules: RuleSet) -> Mapping[str, Sequence[CatalogEvent]]:
    """Say which events each template is rendered for."""
    found: dict[str, dict[str, CatalogEvent]] = {}
    for rule in rules.rules:
        known = {event.name: event for event in map(catalog().find, rule.events) if event is not None}
        for action in rule.actions:
            if isinstance(action, EmailAction):
                found.setdefault(action.template, {}).update(known)
    return {template: tuple(events.values()) for template, events in found.items()}


def _judge(use: VariableUse, types: Mapping[str, Type]) -> Iterator[Problem]:
    judged = {name: _lacking(type_, use.path) for name, type_ in types.items()}
    lacking = {name: found for name, found in judged.items() if found is not None}
    if not lacking:
        return
    event, (owner, name) = next(iter(lacking.items()))
    some_have_it = len(lacking) < len(types)
    lack = " and ".join(lacking)
    hint = did_you_mean(name, owner.fields or ())
    if some_have_it and not hint:
        hint = "give it a value for the others: {{ … | default(…) }}, or use a template of its own"
    yield Problem(
        file=use.file,
        line=use.line,
        column=use.column,
        code="unknown-field",
        message=f"{lack if some_have_it else event} has no field {use}",
        hint=hint,
        severity=Severity.WARNING if some_have_it else Severity.ERROR,
        length=len(name) if len(use.path) == 1 else 1,
    )


def _lacking(type_: Type, path: Sequence[str]) -> tuple[Type, str] | None:
    """Return the object and the name it does not have, or None where the path may lead to something."""
    place = ""
    for step in path:
        if step == "[]":
            if type_.element is None:
                return None
            type_ = type_.element
            continue
        if type_.fields is None:
            return None
        if step not in type_.fields:
            # ``brand``, ``contact`` and names a template sets itself are judged where the template is read.
            return (type_, step) if place else None
        place = f"{place}.{step}" if place else step
        type_ = field_type(type_.fields[step], place)
    return None
