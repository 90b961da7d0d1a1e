"""What each code of ``tidings check`` means, in a sentence or two.

rules/PROBLEMS.md has the same with examples; a test holds the two, and the codes in the source, together.
"""

from collections.abc import Mapping
from typing import Final

MEANINGS: Final[Mapping[str, str]] = {
    "alias-bomb": (
        "The aliases of the file stand for more than 50,000 values, as happens when aliases name lists of further"
        " aliases. Write the values out."
    ),
    "alias-cycle": "An alias (`*name`) stands inside the very thing it names, which would never end.",
    "always-unequal": (
        "The two sides are of different kinds, so they are always unequal and the comparison says nothing. (Warning.)"
    ),
    "bad-literal": (
        "What stands between backticks is neither a number nor `true`, `false`, `null`, or a list or object of such."
    ),
    "bad-quoted-name": (
        'What stands between double quotes cannot be read: a backslash there begins an escape, such as `\\"`.'
    ),
    "bad-slice": "The part of a list between brackets and colons cannot be read.",
    "bare-literal": "`true`, `false` and `null` without backticks stand for fields of those names.",
    "bare-word": "The word has no quotes, so it stands for a field, and there is none of that name.",
    "condition-never-true": (
        "The condition can come out as something, but never as `true`, so the rule would never apply."
    ),
    "constant-condition": (
        "A part of the condition is the same on every event, mostly because only one side of `||` was compared. "
        "(Warning.)"
    ),
    "control-character": (
        "The file holds a character that cannot be seen and that YAML does not allow, mostly brought along by "
        "copying. Delete it; a text that needs such a character has it as an escape in double quotes, such as "
        '`"\\u0007"`.'
    ),
    "double-quoted-text": (
        "The text is in double quotes, which stand for the name of a field; text is written in single quotes."
    ),
    "duplicate-brand": "Two brands have the same `org`, be it in one file or in two.",
    "duplicate-endpoint": "Two endpoints of a brand have the same name.",
    "duplicate-key": "The same key stands twice in one place, so that one of the two would be lost.",
    "duplicate-rule": "Two rules have the same `id`, be it in one file or in two.",
    "duplicate-template": "The same template in the same language is there twice, with two endings.",
    "duplicate-text": "The plain text is given twice: at the top of the template, and in a `.txt` beside it.",
    "dynamic-include": (
        "What is included depends on the event; the name must be written out, so that it can be checked."
    ),
    "empty-expression": "There is no expression between the quotes; a rule without a condition has no `when`.",
    "equal-only-when-absent": (
        "The two sides are of different kinds and are equal only where the event has neither of them. (Warning.)"
    ),
    "expression-too-deep": (
        "Parentheses, brackets or `!` stand within one another deeper than expressions may nest. Take some away, "
        "or split the rule into several."
    ),
    "expression-too-long": "The expression is longer than any that a person reads. Split the rule into several.",
    "field-of-list": "A field is read from a list, whose elements have fields but which has none itself.",
    "field-of-scalar": "A field is read from a text, a number, or what a comparison gives, none of which has fields.",
    "file-too-large": (
        "The file is too long: rules and brands may have 1,000,000 bytes a file, a template 256,000. Split the "
        "file; a picture belongs on a web server, with its address in the template."
    ),
    "forbidden-attribute": "The attribute would run a script, which mail programs drop.",
    "forbidden-element": (
        "The element has no place in an e-mail: mail programs drop scripts, frames and forms, and distrust who "
        "sends them."
    ),
    "filter-argument": (
        "What stands in parentheses behind a filter, or a test, is not what it takes: too much, too little, or a value "
        "that it does not know."
    ),
    "front-matter": (
        "The lines between `---` at the top of a template hold something else than `subject`, `preheader` and "
        "`text`, each with a text; one that begins with a brace needs quotes."
    ),
    "ignored-file": "The file has the name of a rulebook's file, but lies where nothing is read. (Warning.)",
    "include-circle": "A partial includes itself, be it through another.",
    "incomplete-expression": "The expression ends where something must follow.",
    "index-into-object": "An element is read by its position from an object, which has fields and no positions.",
    "index-into-scalar": "An element is read by its position from a text or a number, which has no elements.",
    "invalid-address": "This is not an e-mail address, or not a recipient that an e-mail can have.",
    "invalid-argument": "The argument is a text, but not one that the function can use: no date, or no pattern.",
    "invalid-colour": "This is not a colour, which is `#` and six hexadecimal digits, or three.",
    "invalid-digest": (
        "A digest goes every so many days at a time of day, or when it has gathered for a while: one or the other, "
        "and not with `delay` or `send_at`."
    ),
    "invalid-duration": "This is not a length of time, which is a number and `s`, `m`, `h` or `d`, up to 31 days.",
    "invalid-event": (
        "The event of the case can be read, but a gateway would refuse it, so no rule would ever see it; mostly "
        "it is too large."
    ),
    "invalid-limit": "A throttle or a cap lets through at least 1 and at most 1,000.",
    "invalid-locale": (
        "This is not a language tag, which is a language of two or three letters and, if need be, a region."
    ),
    "invalid-logo": "This is not the https address of a picture that mail programs could show as the brand's logo.",
    "invalid-name": (
        "A name holds a blank or another character that names do not have; letters, digits, dots, dashes and "
        "underscores are fine, and an endpoint may not be called `all`."
    ),
    "invalid-path": (
        "What `set` changes is not a path: names with dots between them, and positions in lists in brackets."
    ),
    "invalid-header": (
        "This header cannot be sent: its name or value has a character that headers do not have, or it is one that the "
        "gateway sets itself."
    ),
    "invalid-pause": "This is not a pause between attempts, which is a number and `s`, `m`, `h` or `d`, up to a week.",
    "invalid-rate": "This is not a rate, which is a number, a stroke, and `s`, `m`, `h` or `d`.",
    "invalid-rollout": "The share of customers that a rule is for is a percentage from 0 to 100.",
    "invalid-time": "This is not a time of day, which is written with two digits for hours and two for minutes.",
    "invalid-type": (
        "The type of a webhook is made of words of letters, digits and underscores, with dots between them."
    ),
    "invalid-url": "This is not an address that webhooks can be posted to.",
    "invalid-value": "The value is of the right kind, but not one of those that the key takes, or it is empty.",
    "key-not-text": "A key is a list or a mapping, where only a text can be one.",
    "merge-key": (
        "A mapping is to be merged into another by `<<`, which is not supported: what a rule says stands in the rule."
    ),
    "missing-event-file": (
        "The JSON file that the case takes its event from is not there. Its path begins at the rulebook's folder."
    ),
    "missing-key": "A key that must be there is not.",
    "missing-locale": "The template has no `en` version, which readers of all other languages get.",
    "missing-now": "The event does not say when it was created, so the case must say when it is decided.",
    "missing-secret": (
        "There is no such secret on the machine that checks. Only `tidings check --secrets` and the gateway look "
        "for secrets."
    ),
    "missing-subject": "The template has no `subject:` between two lines `---` at its top.",
    "mjml-syntax": "The template is no MJML: it has no `<mjml>` round it, or something within it is badly written.",
    "nesting-too-deep": (
        "Lists and mappings stand within one another more than 50 deep. Mostly a bracket is never closed, or "
        "written too often."
    ),
    "never-equal": "The two sides are of different kinds, so they are never equal.",
    "never-ordered": (
        "One side of `<`, `<=`, `>` or `>=` can be neither a number nor a text, so the comparison never holds."
    ),
    "no-alert-addresses": "The rule sends an e-mail to the `brand`, and a brand that it is for has no `alerts_to`.",
    "no-arithmetic": "Expressions do not calculate, and a name with a hyphen has to stand in double quotes.",
    "no-brands": "The rulebook has rules and no brand, so no rule applies to anything. (Warning.)",
    "no-endpoints": (
        "The rule sends to `all` endpoints, and a brand that it is for has none. Add some, or name the rule's `orgs`."
    ),
    "no-effect": "What is written here is accepted, but changes nothing as it stands. (Warning.)",
    "not-utf-8": (
        "The file, or its name, is not in UTF-8, the encoding of all files here. Save it as UTF-8: editors and "
        "spreadsheets offer that when saving. A picture or a document that was given the name of a rulebook's "
        "file ends up here, too."
    ),
    "number-after-dot": "An element of a list is read with brackets alone, without a dot before them.",
    "number-too-long": "The position in a list has thousands of digits, and no list is that long.",
    "number-without-backticks": "A number stands in the expression as it is; numbers are written in backticks.",
    "odd-value": (
        "What `set` changes is not in the event, or is of another kind there, so the case shows nothing of real "
        "events. (Warning.)"
    ),
    "one-channel": "One item of `notify` names both an e-mail and a webhook, or neither.",
    "private-name": "A name begins with an underscore; such names are the gateway's own.",
    "quoted-function": "The name of a function stands in double quotes.",
    "secret-value": (
        "A secret seems to be written here itself, where only the place may stand at which it is found. Whoever "
        "reads the rulebook has read the secret, so replace it."
    ),
    "several-documents": "A second document begins in the file, after a line `---`.",
    "single-ampersand": "One `&` does not combine conditions; two do.",
    "single-equals": "One `=` does not compare; two do. At least and at most are `>=` and `<=`.",
    "slice-step-zero": "A part of a list is to be taken in steps of 0, which leads nowhere.",
    "store-unavailable": (
        "A gateway that runs could not store the new revision, so it keeps working by the old one. The rulebook "
        "itself may be fine; this is told by the gateway alone, not by `tidings check`."
    ),
    "template-fails": (
        "The template does not come out for the published sample of an event that a rule sends it for, in one of its "
        "languages, though all that is known of a customer is known. Where no rule matches that sample it is a warning."
    ),
    "template-name": (
        "The file's name is not that of a template: `NAME.LOCALE.mjml` (or `.html`, `.txt`), in small letters, "
        "digits and hyphens."
    ),
    "template-syntax": "What stands between braces cannot be read, or a tag is not ended.",
    "text-against-number": "A text is to be greater or less than a number, which is never so.",
    "typographic-quote": "The quotes are those of a word processor; an expression takes the plain single quote.",
    "unclosed-element": "An element is not closed, or closed where another is still open.",
    "unclosed-literal": "A number or other literal begins with a backtick and has no other at its end.",
    "unclosed-name": "A name begins with a double quote and has no other at its end.",
    "unclosed-text": "A text begins with a single quote and has no other at its end.",
    "unequal-sign": "Unequal is written `!=`.",
    "unexpected-token": (
        "Something cannot stand where it does: mostly an operator, a comma or a bracket is missing before it, or "
        "is too many."
    ),
    "unfit-path": (
        "The path leads through something that has no such part: a name in a list, a position where there is no list."
    ),
    "unknown-action": "The case expects an e-mail of a rule that sends none, or a webhook of one that sends none.",
    "unknown-brand": "The rule is for an organisation that no file in `brands/` describes.",
    "unknown-character": "A character that means nothing in an expression.",
    "unknown-contact": (
        "The template does not come out for a customer of whom nothing but the address is known, as is so where the "
        "address comes from the event. (Warning.)"
    ),
    "unknown-element": "MJML has no element of that name.",
    "unknown-endpoint": "A brand that the rule is for has no endpoint of that name.",
    "unknown-event": "There is no event of that name; `tidings catalog` lists them all.",
    "unknown-field": "The event has no field of that name. `tidings catalog EVENT` lists those it has.",
    "unknown-filter": "There is no filter (what stands after `|`) of that name.",
    "unknown-function": "There is no function of that name.",
    "unknown-key": "No key of that name belongs here; mostly it is misspelt, or indented too much or too little.",
    "unknown-partial": "There is no file of that name in `templates/_partials/`.",
    "unknown-rule": "The case expects something of a rule that the rulebook does not have.",
    "unknown-template": (
        "There is no template of that name in `templates/`. The name is given without language and ending."
    ),
    "unknown-test": "There is no test (what stands after `is`) of that name.",
    "unknown-time-zone": "There is no time zone of that name; they are named for a continent and a city.",
    "unknown-variable": "There is no variable of that name.",
    "unquoted-attribute": (
        "The value of an attribute comes from the event and has no quotes round it, so that a blank in it would end it."
    ),
    "unreadable": (
        "A file, or the whole folder, is named but cannot be read: a link leads nowhere, or whoever runs the "
        "command may not read it."
    ),
    "unreadable-event": "The event of the case cannot be read; the message says what is wrong with it.",
    "unsafe-link": (
        "A link begins with something from the event without being checked by `url`, or it does not lead to the "
        "web, an address or a telephone."
    ),
    "unsafe-message": (
        "On the sample of an event the finished message holds something that would run a script, or a link that leads "
        "elsewhere than to the web, an address or a telephone."
    ),
    "unsupported-call": "A value is called like a function; filters do that work.",
    "unsupported-tag": "The tag is one of Jinja's that templates here do not have.",
    "untested-rule": "The rulebook has tests, and no case among them matches this rule. (Warning.)",
    "values-of-no-object": "`.*` reads all fields of an object, and this is none; the elements of a list are `[*]`.",
    "word-operator": "`and`, `or`, `not`, `is` and `in` are no operators; signs and functions do their work.",
    "wrong-argument": "The function does not take a value of this kind.",
    "wrong-arity": "The function takes more, or fewer, arguments.",
    "wrong-extension": "The file's name ends in `.yml`, and only `.yaml` is read.",
    "wrong-type": (
        "The value is of the wrong kind: a text where a list belongs, a number where a text belongs, nothing "
        "where something belongs."
    ),
    "yaml-syntax": (
        "The file cannot be read as YAML: an indentation, a quote, a bracket or a colon is not where it belongs."
    ),
    "yaml-tab": "A line is indented with a tab, and YAML allows only blanks.",
    "yaml-tag": "A value carries a tag such as `!!str`, which is not supported.",
}
"""Sentences by code."""
