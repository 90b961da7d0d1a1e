"""A rulebook that is loaded again and again must leave nothing behind: a reload sets apart what it finds in memory."""

import gc

from tidings.model import Source
from tidings.rulebook import load

_RULES = 200


def test_compiling_rules_leaves_nothing_for_the_collector() -> None:
    brands = b"version: 1\nbrands: [{org: 1, name: Example, from: hello@example.com, alerts_to: [a@example.com]}]\n"
    rules = "".join(
        f"  - id: r{number}\n    event: pointsIssued\n"
        f"    when: orgId == `{number}` && data.customerIdentifiers.customerId > `5`\n"
        "    notify: [{email: {to: brand, template: t}}]\n"
        for number in range(_RULES)
    )
    template = b"---\nsubject: Hello\n---\nHello\n"
    sources = [
        Source(path="brands/b.yaml", data=brands),
        Source(path="rules.yaml", data=f"version: 1\nrules:\n{rules}".encode()),
        Source(path="templates/t.en.txt", data=template),
    ]
    load(sources)  # what is made once, such as caches, is made now
    gc.collect()
    gc.disable()
    try:
        rulebook = load(sources)
        assert len(rulebook.rules.rules) == _RULES
        del rulebook
        left = gc.collect()
    finally:
        gc.enable()
    assert left < _RULES // 2
