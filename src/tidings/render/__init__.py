"""Messages from templates: MJML, HTML or plain text with sandboxed Jinja, one file per locale.

``compile_templates`` checks every template of a rulebook and reports all that is wrong, with places;
``TemplateSet.render`` makes one message of an event. A field that is absent or null can be tested, compared and given
a default; to print it is a RenderError that names it, so that no message goes out with a hole.

Limits: 1,000,000 characters and 50,000 steps a message; links lead to http, https, mailto and tel. Words of dates and
numbers are in the template's language, their order and grouping are those of the reader's region. Pure: no clock, file,
network or environment.
"""

from tidings.render.failure import RenderError
from tidings.render.finishing import announce
from tidings.render.inspection import ENVELOPE, HOLDERS, VariableUse
from tidings.render.plaintext import text_of
from tidings.render.scanning import hazards
from tidings.render.templates import Rendered, TemplateSet, compile_templates

__all__ = [
    "ENVELOPE",
    "HOLDERS",
    "RenderError",
    "Rendered",
    "TemplateSet",
    "VariableUse",
    "announce",
    "compile_templates",
    "hazards",
    "text_of",
]
