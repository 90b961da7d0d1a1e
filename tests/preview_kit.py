"""A rulebook for previews, and the command."""

import json
from pathlib import Path

import typer

from rulebook_kit import write_rulebook
from tidings.cli.preview import preview
from tidings.events import sample

EVIL = "</iframe></title><script>document.title='it ran';document.body.style.background='rgb(255,0,0)'</script>\"'>"
RULES = """
version: 1
rules:
  - id: reminder
    event: pointsExpiryReminder
    when: data.pointsScheduledForExpiry > `100`
    expires_at: data.scheduledExpiryDate
    notify:
      - email: {to: customer, template: reminder}
      - webhook: {to: crm, type: loyalty.expiring, body: {points: data.pointsScheduledForExpiry}}
  - id: many
    event: pointsExpiryReminder
    when: data.pointsScheduledForExpiry > `1000` && orgId == `50750`
    notify: [{webhook: {to: crm}}]
  - id: in-shadow
    event: pointsExpiryReminder
    mode: shadow
    notify: [{webhook: {to: crm, type: loyalty.shadow, body: {org: orgId}}}]
  - id: issued
    event: pointsIssued
    notify: [{webhook: {to: crm}}]
"""
REMINDER = """---
subject: "{{ data.pointsScheduledForExpiry | number }} points expire"
preheader: Use them by {{ data.scheduledExpiryDate | date }}
---
<html><body><p>Hello {{ contact.name | default("member") }}, your address is {{ contact.email }}.</p></body></html>
"""
GERMAN = REMINDER.replace("points expire", "Punkte verfallen").replace("Hello", "Hallo")
HOSTILE_RULES = """
version: 1
rules:
  - id: hostile
    event: pointsExpiryReminder
    notify:
      - email: {to: customer, template: hostile}
      - webhook: {to: crm, body: {customerIdentifiers: data.customerIdentifiers}}
"""
HOSTILE = """---
subject: "{{ contact.name | default('member') }}"
preheader: "{{ data.customerIdentifiers.instore.externalId | default('member') }}"
---
<html><body style="background: rgb(0, 160, 0)">
<p>{{ data.customerIdentifiers.instore.externalId | default('member') }}</p>
</body></html>
"""

APP = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
APP.command()(preview)


def preview_rulebook(
    folder: Path, *, crm: str = "https://crm.example.com/hooks/secret-path", rules: str = RULES
) -> Path:
    """Write a rulebook with a template in two languages; return its folder."""
    write_rulebook(folder, crm=crm, rules=rules)
    (folder / "templates" / "reminder.en.html").write_text(REMINDER)
    (folder / "templates" / "reminder.de.html").write_text(GERMAN)
    return folder


def hostile_rulebook(folder: Path) -> Path:
    """Write a rulebook whose e-mail prints what an event says of a customer."""
    write_rulebook(folder, crm="https://crm.example.com/", rules=HOSTILE_RULES)
    (folder / "templates" / "hostile.en.html").write_text(HOSTILE)
    return folder


def event_file(folder: Path, name: str) -> Path:
    """Write an event of a customer with this external id; return its file."""
    payload = sample("pointsExpiryReminder")
    payload["data"]["customerIdentifiers"].setdefault("instore", {})["externalId"] = name
    file = folder / "event.json"
    file.write_text(json.dumps(payload))
    return file
