"""What is wrong with a rulebook, each at its line and column, all at once."""

# ruff: noqa: E501, ISC004 (golden messages are easier to find in one piece)

import pytest

from rules_kit import BRANDS, compiled, rule, sources
from tidings.model import ConsentPolicy, Endpoint, Rate, SecretRef

NOTIFY = "notify: [{webhook: {to: crm}}]"


def brand(lines: str) -> str:
    return "version: 1\nbrands:\n  - org: 1\n" + "".join(f"    {line}\n" for line in lines.split("\n"))


GOOD_BRAND = "name: A\nfrom: a@example.com\n"
CRM = "alerts_to: [a@example.com]\nendpoints: [{name: crm, url: 'https://crm.example.com/', secrets: ['env:A']}]\n"


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        pytest.param(
            f"event: pointsExpiryRemindr\n{NOTIFY}",
            [
                "rules.yaml:4:12: error[unknown-event]: there is no event 'pointsExpiryRemindr' (did you mean 'pointsExpiryReminder'?)"
            ],
            id="event misspelled",
        ),
        pytest.param(
            f"event: [pointsIssued, somethingElse]\n{NOTIFY}",
            [
                "rules.yaml:4:27: error[unknown-event]: there is no event 'somethingElse' (tidings catalog lists the events)"
            ],
            id="event in a list",
        ),
        pytest.param(
            f"event: pointsIssued\nretry: [5s, soon]\n{NOTIFY}",
            [
                "rules.yaml:5:17: error[invalid-pause]: this is not a pause between attempts (write 5s, 10m, 2h or 1d, up to 7d)"
            ],
            id="pause between attempts",
        ),
        pytest.param(
            f"event: pointsIssued\nretry: []\n{NOTIFY}",
            ["rules.yaml:5:12: error[invalid-value]: this must not be an empty list"],
            id="no pauses",
        ),
        pytest.param(
            f"event: pointsIssued\norgs: [50750, 1]\n{NOTIFY}",
            ["rules.yaml:5:19: error[unknown-brand]: organisation 1 has no brand (describe it in brands/)"],
            id="organisation without a brand",
        ),
        pytest.param(
            "event: pointsIssued\nnotify:\n  - email: {to: customer, template: remindr}",
            ["rules.yaml:6:41: error[unknown-template]: there is no template 'remindr' (did you mean 'reminder'?)"],
            id="template",
        ),
        pytest.param(
            "event: pointsIssued\nnotify:\n  - email: {to: customer, template: farewell}",
            [
                "rules.yaml:6:41: error[unknown-template]: there is no template 'farewell' "
                "(the templates are reminder, welcome)"
            ],
            id="template far from all",
        ),
        pytest.param(
            "event: pointsIssued\nnotify:\n  - webhook: {to: lake}",
            [
                "rules.yaml:6:23: error[unknown-endpoint]: organisation 60860 has no endpoint 'lake' "
                "(add it to the brand, or name the rule's orgs)"
            ],
            id="endpoint of one brand only",
        ),
        pytest.param(
            "event: pointsIssued\norgs: [50750]\nnotify:\n  - webhook: {to: lak}",
            [
                "rules.yaml:7:23: error[unknown-endpoint]: organisation 50750 has no endpoint 'lak' (did you mean 'lake'?)"
            ],
            id="endpoint misspelled",
        ),
        pytest.param(
            "event: pointsIssued\nnotify:\n  - email: {to: custmer, template: reminder}\n  - email: {to: 'a@b@c', template: reminder}",
            [
                "rules.yaml:6:21: error[invalid-address]: this is not a recipient (did you mean 'customer'?)",
                "rules.yaml:7:21: error[invalid-address]: this is not a recipient "
                "(write customer, brand, name@example.com or {path: JMESPath})",
            ],
            id="recipient",
        ),
        pytest.param(
            "event: pointsIssued\nnotify:\n  - email: {to: [customer], template: reminder}\n  - email: {to: {pth: a}, template: reminder}",
            [
                "rules.yaml:6:21: error[wrong-type]: this must be customer, brand, an address, or {path: JMESPath}",
                "rules.yaml:7:21: error[missing-key]: the key 'path' is missing (is it the one written 'pth'?)",
                "rules.yaml:7:22: error[unknown-key]: unknown key 'pth' (did you mean 'path'?)",
            ],
            id="recipient of another kind",
        ),
        pytest.param(
            "event: pointsIssued\nnotify:\n  - {}\n  - email: {to: customer, template: reminder}\n    webhook: {to: crm}",
            [
                "rules.yaml:6:9: error[one-channel]: an action is either an email or a webhook (write one list item for each)",
                "rules.yaml:7:9: error[one-channel]: an action is either an email or a webhook (write one list item for each)",
            ],
            id="not one channel",
        ),
        pytest.param(
            "event: pointsIssued\nnotify:\n  - webhook: {to: crm, type: 'a b', body: {n: 5, m: {k: [x]}}}",
            [
                "rules.yaml:6:34: error[invalid-type]: this is not a webhook type (use letters, digits and underscores, "
                "with dots between words, such as loyalty.points_expiring)",
                "rules.yaml:6:51: error[wrong-type]: this must be a JMESPath expression, as a text, or a mapping of such "
                "(write a fixed number in backticks and quotes: '`5`')",
                "rules.yaml:6:61: error[wrong-type]: this must be a JMESPath expression, as a text, or a mapping of such "
                "(write a fixed number in backticks and quotes: '`5`')",
            ],
            id="webhook",
        ),
        pytest.param(
            f"event: pointsIssued\nmode: on\ndigest: {{every: 1d}}\nrollout: 500\nwehn: a\n{NOTIFY}",
            [
                "rules.yaml:5:11: error[invalid-value]: this must be 'live', 'shadow' or 'off'",
                "rules.yaml:6:13: error[invalid-digest]: a digest goes every so many days, or after a window "
                '(write {every: 1d, at: "09:00", by: customer} or {window: 30m, by: customer})',
                "rules.yaml:7:14: error[invalid-rollout]: this is not a share of the customers "
                "(write a percentage from 0 to 100, such as 25)",
                "rules.yaml:8:5: error[unknown-key]: unknown key 'wehn' (did you mean 'when'?)",
            ],
            id="keys",
        ),
        pytest.param(
            "event: pointsIssued\nwhen: true\norgs: []\ncategory: 'a b'\nnotify: []",
            [
                "rules.yaml:5:11: error[wrong-type]: this must be a text, not true or false",
                "rules.yaml:6:11: error[invalid-value]: this must not be an empty list",
                "rules.yaml:7:15: error[invalid-name]: this is not a name (use up to 100 letters, digits, dots, dashes and "
                "underscores, beginning with a letter or digit)",
                "rules.yaml:8:13: error[invalid-value]: this must not be an empty list",
            ],
            id="values",
        ),
    ],
)
def test_what_is_wrong_with_a_rule_is_told_at_its_place(text: str, problems: list[str]) -> None:
    assert compiled(sources(rule(text)))[1] == problems


@pytest.mark.parametrize(
    ("when", "place"),
    [
        pytest.param("when: data.a = 'x'", "5:18", id="plain"),
        pytest.param("when: data.a &&\n     data.b = 'x'", "6:17", id="plain over lines"),
        pytest.param("when: 'data.a == ''x'' && data.b = ''y'''", "5:38", id="single-quoted"),
        pytest.param("when: \"data.a == '\\u00e9' && data.b = 'y'\"", "5:41", id="double-quoted"),
        pytest.param("when: |\n  data.a == 'x' &&\n    data.b = 'y'", "7:16", id="literal"),
        pytest.param("when: >-\n  data.a == 'x' &&\n\n  data.b = 'y'", "8:14", id="folded"),
    ],
)
def test_a_broken_expression_is_told_at_the_character_that_breaks_it(when: str, place: str) -> None:
    assert compiled(sources(rule(f"event: pointsIssued\n{when}\n{NOTIFY}")))[1] == [
        f"rules.yaml:{place}: error[single-equals]: = does not compare (write == to compare)"
    ]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        pytest.param(
            "event: pointsExpiryReminder\nwhen: 'data.pointsScheduledForExpriy > `1`'\n" + NOTIFY,
            "rules.yaml:5:17: error[unknown-field]",
            id="field",
        ),
        pytest.param(
            "event: pointsExpiryReminder\nwhen: >-\n  orgId == `1` &&\n  eventName > `5`\n" + NOTIFY,
            "rules.yaml:7:7: error[text-against-number]",
            id="types",
        ),
        pytest.param(
            "event: pointsExpiryReminder\nwhen: data.loyaltyProgramId\n" + NOTIFY,
            "rules.yaml:5:11: error[condition-never-true]",
            id="never true",
        ),
        pytest.param(
            "event: [pointsExpiryReminder, pointsIssued]\nwhen: data.scheduledExpiryDate == '2026-01-31'\n" + NOTIFY,
            "rules.yaml:5:16: warning[unknown-field]",
            id="on one of two events",
        ),
        pytest.param(
            "event: pointsExpiryReminder\nexpires_at: data.scheduledExpiry\n" + NOTIFY,
            "rules.yaml:5:22: error[unknown-field]",
            id="expiry",
        ),
        pytest.param(
            "event: pointsExpiryReminder\nnotify:\n  - webhook: {to: crm, body: {a: {b: data.x}}}",
            "rules.yaml:6:47: error[unknown-field]",
            id="body",
        ),
    ],
)
def test_an_expression_is_held_against_the_events_of_its_rule(lines: str, problem: str) -> None:
    _, problems = compiled(sources(rule(lines)))
    assert [each.split("]:")[0] + "]" for each in problems] == [problem]


def test_every_expression_of_a_rule_is_checked() -> None:
    text = """\
event: pointsIssued
when: a..b
expires_at: c..d
notify:
  - email: {to: {path: e..f}, template: reminder}
  - webhook: {to: crm, body: {g: h..i, j: {k: "l..m"}}}"""
    _, problems = compiled(sources(rule(text)))
    assert [problem.split(": error[")[0] for problem in problems] == [
        "rules.yaml:5:13",
        "rules.yaml:6:19",
        "rules.yaml:8:30",
        "rules.yaml:9:40",
        "rules.yaml:9:54",
    ]


def test_one_mistake_hides_no_other() -> None:
    """Mistakes of shape, of reference and of expression in one rule and in one file are found in one run."""
    text = """\
version: 1
rules:
  - id: one
    evnt: pointsIssued
    when: a = b
    notify:
      - email: {to: customer, tempate: x}
      - webhook: {to: nowhere}
  - id: one
    event: nothing
    mode: shadwo
    notify: [{email: {to: customer, template: nothing}}]
"""
    assert compiled(sources(text))[1] == [
        "rules.yaml:3:5: error[missing-key]: the key 'event' is missing (is it the one written 'evnt'?)",
        "rules.yaml:4:5: error[unknown-key]: unknown key 'evnt' (did you mean 'event'?)",
        "rules.yaml:5:13: error[single-equals]: = does not compare (write == to compare)",
        "rules.yaml:7:16: error[missing-key]: the key 'template' is missing (is it the one written 'tempate'?)",
        "rules.yaml:7:31: error[unknown-key]: unknown key 'tempate' (did you mean 'template'?)",
        "rules.yaml:8:23: error[unknown-endpoint]: organisations 50750, 60860 have no endpoint 'nowhere' "
        "(add it to the brand, or name the rule's orgs)",
        "rules.yaml:9:9: error[duplicate-rule]: there is a rule 'one' already, at rules.yaml:3:9 (give each rule an id of its own)",
        "rules.yaml:10:12: error[unknown-event]: there is no event 'nothing' (tidings catalog lists the events)",
        "rules.yaml:11:11: error[invalid-value]: this must be 'live', 'shadow' or 'off' (did you mean 'shadow'?)",
        "rules.yaml:12:47: error[unknown-template]: there is no template 'nothing' (the templates are reminder, welcome)",
    ]


@pytest.mark.parametrize(
    ("lines", "problems"),
    [
        pytest.param(
            "name: ' '\nfrom: Example <a@example.com\nalerts_to: [x]",
            [
                "brands/all.yaml:4:11: error[invalid-value]: this must not be empty",
                "brands/all.yaml:5:11: error[invalid-address]: this is not a sender "
                "(write Name <name@example.com> or name@example.com)",
                "brands/all.yaml:6:17: error[invalid-address]: this is not an e-mail address (write name@example.com)",
            ],
            id="addresses",
        ),
        pytest.param(
            'name: A\nfrom: "A\\r\\nBcc: b@example.com <a@example.com>"',
            [
                "brands/all.yaml:5:11: error[invalid-address]: this is not a sender "
                "(write Name <name@example.com> or name@example.com)"
            ],
            id="header in a sender",
        ),
        pytest.param(
            GOOD_BRAND + "time_zone: Asia/Calcuta\nlocale: english\nquiet_hours: {from: 21:00, to: 25:00}",
            [
                "brands/all.yaml:6:16: error[unknown-time-zone]: there is no such time zone (did you mean 'Asia/Calcutta'?)",
                "brands/all.yaml:7:13: error[invalid-locale]: this is not a language tag "
                "(write a language and, if need be, a region: en, ar-AE, zh-Hant-TW)",
                'brands/all.yaml:8:36: error[invalid-time]: this is not a time of day (write HH:MM, such as "21:00")',
            ],
            id="zone, locale, hours",
        ),
        pytest.param(
            GOOD_BRAND + "endpoints:\n"
            "  - {name: all, url: 'ftp://example.com', secrets: [], rate: 5}\n"
            "  - {name: b, url: 'https://u:p@example.com/', secrets: [whsec_c2VjcmV0], rate: fast, ordering: strict}",
            [
                "brands/all.yaml:7:16: error[invalid-name]: an endpoint cannot be called all: rules mean every endpoint by it",
                "brands/all.yaml:7:26: error[invalid-url]: this is not an address to post to "
                "(write https://host/path, without user, password and fragment)",
                "brands/all.yaml:7:56: error[invalid-value]: this must not be an empty list",
                "brands/all.yaml:7:66: error[wrong-type]: this must be a text, not a number (put quotes round it)",
                "brands/all.yaml:8:24: error[invalid-url]: this is not an address to post to "
                "(write https://host/path, without user, password and fragment)",
                "brands/all.yaml:8:62: error[secret-value]: a secret is given by reference, never by value "
                "(put the secret into the environment or a file, write env:NAME or file:PATH, and replace the secret)",
                "brands/all.yaml:8:85: error[invalid-rate]: this is not a rate (write 50/s, 600/m, 10000/h or 5000/d)",
                "brands/all.yaml:8:101: error[invalid-value]: this must be 'none' or 'customer'",
            ],
            id="endpoints",
        ),
        pytest.param(
            GOOD_BRAND + "quiet_hours: {from: '21:00', to: '21:00'}\nendpoints:\n"
            "  - {name: b, url: 'http://127.0.0.1:8080/x?y=1', secrets: ['env:A'], rate: 5/s, ordering: customer}\n"
            "  - {name: b, url: 'https://[::1]/', secrets: ['env:A']}",
            [
                "brands/all.yaml:6:5: warning[no-effect]: quiet hours that begin when they end are none (leave it out, or make it say something)",
                "brands/all.yaml:9:16: error[duplicate-endpoint]: the brand has an endpoint 'b' already, in line 8",
            ],
            id="to no effect",
        ),
        pytest.param(
            GOOD_BRAND
            + "weight: 0\nendpoints:\n  - name: b\n    url: https://crm.example.com/\n    secrets: ['env:A']\n"
            "    concurrency: 0\n    retry: [5s, soon, 8d]\n    headers:\n      Webhook-Id: x\n      Content-Type: x\n"
            "      Bad Name: x\n      X-Value: ''\n      X-Secret: 'env:'\n    certificate: ' '",
            [
                "brands/all.yaml:6:13: error[invalid-value]: input should be greater than or equal to 1",
                "brands/all.yaml:11:22: error[invalid-value]: input should be greater than or equal to 1",
                "brands/all.yaml:12:21: error[invalid-pause]: this is not a pause between attempts (write 5s, 10m, 2h or 1d, up to 7d)",
                "brands/all.yaml:12:27: error[invalid-pause]: this is not a pause between attempts (write 5s, 10m, 2h or 1d, up to 7d)",
                "brands/all.yaml:14:11: error[invalid-header]: this header is the gateway's own (leave it out)",
                "brands/all.yaml:15:11: error[invalid-header]: this header is the gateway's own (leave it out)",
                "brands/all.yaml:16:11: error[invalid-header]: this is not the name of a header (use letters, digits and dashes, such as X-Api-Key)",
                "brands/all.yaml:17:20: error[invalid-header]: this is not the value of a header (use printable ASCII on one line, or a reference: env:NAME or file:PATH)",
                "brands/all.yaml:18:21: error[secret-value]: a secret is given by reference, never by value (put the secret into the environment or a file, write env:NAME or file:PATH, and replace the secret)",
                "brands/all.yaml:19:22: error[invalid-value]: this must not be empty",
            ],
            id="what an endpoint asks for",
        ),
        pytest.param(
            GOOD_BRAND + "time_zone: ../../etc/passwd\norg_id: 2",
            [
                "brands/all.yaml:6:16: error[unknown-time-zone]: there is no such time zone "
                "(write an IANA name such as Asia/Kolkata)",
                "brands/all.yaml:7:5: error[unknown-key]: unknown key 'org_id' (the keys here are address, alerts_to, "
                "caps, categories, colours, consent, endpoints, from, keep_contacts, locale, logo, name, org, quiet_hours, time_zone, weight)",
            ],
            id="zone outside",
        ),
        pytest.param(
            GOOD_BRAND + "consent: {offers: perhaps, service: opt_in}",
            ["brands/all.yaml:6:23: error[invalid-value]: this must be 'opt_in' or 'opt_out'"],
            id="a consent that is none",
        ),
        pytest.param(
            GOOD_BRAND + "consent: {service: opt_in}",
            [
                "brands/all.yaml:6:14: error[invalid-value]: messages of category service need no consent "
                "(leave service out)"
            ],
            id="a consent that is not needed",
        ),
        pytest.param(
            GOOD_BRAND + "categories: {service: Needed, offers: {en: Offers, deutsch: ''}, reminders: 5}",
            [
                "brands/all.yaml:6:65: error[invalid-locale]: this is not a language tag "
                "(write a language and, if need be, a region: en, ar-AE, zh-Hant-TW)",
                "brands/all.yaml:6:65: error[invalid-value]: this must not be empty",
                "brands/all.yaml:6:81: error[wrong-type]: this must be a text, or a mapping of languages to texts",
            ],
            id="words for categories",
        ),
        pytest.param(
            GOOD_BRAND + "categories: {service: Needed}",
            [
                "brands/all.yaml:6:17: error[invalid-value]: messages of category service need no consent "
                "(leave service out)",
            ],
            id="words for a category that nobody chooses",
        ),
        pytest.param(
            GOOD_BRAND + "consent: true",
            [
                "brands/all.yaml:6:14: error[wrong-type]: this must be opt_in, opt_out, or a mapping of categories "
                "to one of them"
            ],
            id="a consent of another form",
        ),
    ],
)
def test_what_is_wrong_with_a_brand_is_told_at_its_place(lines: str, problems: list[str]) -> None:
    assert compiled(sources(None, brand(lines)))[1] == problems


def test_a_second_brand_of_an_organisation_is_refused_across_files() -> None:
    files = sources(None, BRANDS, **{"brands/more.yaml": brand(GOOD_BRAND).replace("org: 1", "org: 60860")})
    assert compiled(files)[1] == [
        "brands/more.yaml:3:10: error[duplicate-brand]: organisation 60860 has a brand already, at brands/all.yaml:11:10 "
        "(keep one brand an organisation)"
    ]


def test_missing_secrets_are_named_by_reference() -> None:
    def secrets(reference: SecretRef) -> str | None:
        return "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" if reference.name == "OTHER_CRM_SECRET" else None

    assert compiled(sources(), secrets=secrets)[1] == [
        "brands/all.yaml:9:69: error[missing-secret]: there is no secret env:EXAMPLE_CRM_SECRET "
        "(set the environment variable EXAMPLE_CRM_SECRET)",
        "brands/all.yaml:10:68: error[missing-secret]: there is no secret file:/run/secrets/lake "
        "(write the secret into the file /run/secrets/lake)",
    ]


def test_brands_that_lack_what_a_rule_needs_are_named() -> None:
    text = "event: pointsIssued\nnotify:\n  - email: {to: brand, template: reminder}\n  - webhook: {to: all}"
    assert compiled(sources(rule(text), brand(GOOD_BRAND)))[1] == [
        "rules.yaml:6:21: error[no-alert-addresses]: organisation 1 has no alerts_to that an e-mail to the brand could go to "
        "(add alerts_to to the brand)",
        "rules.yaml:7:23: error[no-endpoints]: organisation 1 has no endpoints (add endpoints to the brand)",
    ]


def test_a_brands_file_that_cannot_be_read_makes_no_organisation_unknown() -> None:
    text = f"event: pointsIssued\norgs: [1]\n{NOTIFY}"
    assert compiled(sources(rule(text), "brands: ["))[1] == [
        "brands/all.yaml:1:10: error[yaml-syntax]: a value was expected here (close every [ and {, or put quotes round)"
    ]


def test_a_brand_with_mistakes_is_known_and_not_held_against_rules() -> None:
    text = f"event: pointsIssued\norgs: [1]\n{NOTIFY}"
    assert compiled(sources(rule(text), brand("name: A")))[1] == [
        "brands/all.yaml:3:5: error[missing-key]: the key 'from' is missing"
    ]


def test_files_are_told_apart_by_their_place_and_name() -> None:
    good = rule(f"event: pointsIssued\n{NOTIFY}")
    files = sources(
        good,
        **{
            "rules_test.yaml": "neither",
            "templates/x.en.mjml": "neither",
            "templates/notes.yaml": "neither",
            "more/deep.yaml": good,
            "more/deep_test.yaml": "neither",
            "old.yml": good,
            "brands/notes.txt": "neither",
        },
    )
    found, problems = compiled(files)
    assert [each.id for each in found.rules] == ["one"]
    assert problems == [
        "more/deep.yaml:1:1: warning[ignored-file]: the file is not read: rules stand at the top, brands in brands/",
        "old.yml:1:1: error[wrong-extension]: the file is not read: its name must end in .yaml",
    ]


def test_a_rulebook_without_brands_is_warned_of() -> None:
    assert compiled(sources(rule("event: pointsIssued\nnotify: [{webhook: {to: all}}]"), None))[1] == [
        "rules.yaml:1:1: warning[no-brands]: the rulebook has no brand, so no rule applies to anything"
    ]


def test_ten_planted_mistakes_in_two_hundred_files_are_all_found() -> None:
    """Each planted mistake stands in a file of its own among many good ones."""
    good = "version: 1\nrules:\n  - id: rule-{n}\n    event: pointsIssued\n    when: eventLogId > `{n}`\n    " + NOTIFY
    files = {f"f{n:03}.yaml": good.replace("{n}", str(n)) for n in range(200)}
    planted = {
        "f010.yaml": (":3:9: error[duplicate-rule]", "rule-10", "rule-9"),
        "f030.yaml": (":4:12: error[unknown-event]", "pointsIssued", "pointIssued"),
        "f050.yaml": (":5:22: error[single-equals]", "> `50`", "= `50`"),
        "f070.yaml": (":6:29: error[unknown-endpoint]", "crm", "crn"),
        "f090.yaml": (":6:5: error[unknown-key]", "notify", "notifi"),
        "f110.yaml": (":1:10: error[invalid-value]", "version: 1", "version: 2"),
        "f130.yaml": (":5:13: error[wrong-type]", "when: eventLogId > `130`", "digest: 5m"),
        "f150.yaml": (":6:5: error[duplicate-key]", NOTIFY, "id: x\n    " + NOTIFY),
        "f170.yaml": (":6:14: error[yaml-syntax]", "crm}}]", "crm}"),
        "f190.yaml": (":5:11: error[yaml-syntax]", "eventLogId", "`data`"),
    }
    for name, (_, old, new) in planted.items():
        files[name] = files[name].replace(old, new)
    _, problems = compiled(sources(None, **files))
    found = {problem.split("]:")[0] + "]" for problem in problems}
    assert {name + place for name, (place, _, _) in planted.items()} - found == set()
    assert {problem.split(":")[0] for problem in problems} == set(planted)


def test_a_sound_rulebook_has_no_problem() -> None:
    text = """\
description: Remind members
event: [pointsExpiryReminder, pointsIssued]
orgs: [50750]
when: data.customerIdentifiers.customerId > `0`
mode: shadow
category: reminders
expires_at: createdAt
notify:
  - email: {to: customer, template: reminder}
  - email: {to: brand, template: reminder}
  - email: {to: someone@example.com, template: reminder}
  - email: {to: {path: data.customerIdentifiers.instore.email}, template: reminder}
  - webhook: {to: all, type: loyalty.points_expiring, body: {member: data.customerIdentifiers.customerId, a: {b: orgId}}}"""
    assert compiled(sources(rule(text)))[1] == []


def test_an_endpoint_is_read_with_all_that_it_asks_for() -> None:
    text = GOOD_BRAND + (
        "weight: 3\nendpoints:\n  - name: b\n    url: https://crm.example.com/\n    secrets: ['env:A', 'file:/run/b']\n"
        "    rate: 600/m\n    concurrency: 2\n    ordering: customer\n    retry: [5s, 2m]\n    certificate: /run/client.pem\n"
        "    headers: {X-Tenant: example, Authorization: 'env:KEY'}"
    )
    found, problems = compiled(sources(None, brand(text)))
    assert problems == []
    assert (found.brands[1].weight, found.brands[1].endpoints) == (
        3,
        (
            Endpoint(
                org_id=1,
                name="b",
                url="https://crm.example.com/",
                secrets=(SecretRef("env", "A"), SecretRef("file", "/run/b")),
                rate=Rate(count=600, seconds=60.0),
                concurrency=2,
                ordering="customer",
                headers={"X-Tenant": "example", "Authorization": SecretRef("env", "KEY")},
                retry=(5_000, 120_000),
                certificate="/run/client.pem",
            ),
        ),
    )


def test_a_rule_has_pauses_of_its_own() -> None:
    found, problems = compiled(sources(rule(f"event: pointsIssued\nretry: [5s, 2m, 1h]\n{NOTIFY}")))
    assert (problems, [each.retry for each in found.rules]) == ([], [(5_000, 120_000, 3_600_000)])
    found, _ = compiled(sources(rule(f"event: pointsIssued\n{NOTIFY}")))
    assert [each.retry for each in found.rules] == [None]


@pytest.mark.parametrize(
    ("line", "policy"),
    [
        ("", ConsentPolicy()),
        ("consent: opt_out", ConsentPolicy(usual="opt_out")),
        ("consent: {reminders: opt_out}", ConsentPolicy(by_category={"reminders": "opt_out"})),
    ],
)
def test_a_brand_says_what_consent_its_messages_need(line: str, policy: ConsentPolicy) -> None:
    found, problems = compiled(sources(None, brand(GOOD_BRAND + line)))
    assert (problems, found.brands[1].consent) == ([], policy)


def test_a_missing_secret_of_a_header_is_named_too() -> None:
    text = GOOD_BRAND + (
        "endpoints:\n  - {name: b, url: 'https://crm.example.com/', secrets: ['env:A'], headers: {X-Key: 'env:KEY'}}"
    )
    secrets = {"env:A": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    assert compiled(sources(None, brand(text)), secrets=lambda each: secrets.get(str(each)))[1] == [
        "brands/all.yaml:7:89: error[missing-secret]: there is no secret env:KEY (set the environment variable KEY)"
    ]


def test_customers_choose_among_the_categories_that_rules_send_to_them() -> None:
    rule = "  - {{id: r{0}, event: pointsIssued, category: {1}, mode: {2}, notify: [{3}]}}\n"
    email = "{{email: {{to: {0}, template: reminder}}}}"
    made = [
        ("zoo", "live", email.format("customer")),
        ("news", "shadow", email.format("{path: data.customerIdentifiers.instore.email}")),
        ("offers", "live", email.format("customer")),
        ("service", "live", email.format("customer")),
        ("gone", "off", email.format("customer")),
        ("desk", "live", email.format("brand")),
        ("hooks", "live", "{webhook: {to: crm}}"),
    ]
    rules = "version: 1\nrules:\n" + "".join(rule.format(place, *each) for place, each in enumerate(made))
    given = brand(GOOD_BRAND + "categories: {zoo: Zoo, unused: Unused, offers: {en: Offers, ar: عروض}}\n" + CRM)
    compiled_rules, problems = compiled(sources(rules, given))
    assert problems == []
    (found,) = compiled_rules.brands.values()
    assert compiled_rules.categories_of(found) == ("zoo", "offers", "news")
    assert found.categories["offers"] == {"en": "Offers", "ar": "عروض"}
