"""YAML files with places: what somebody wrote, and the exact line and column of each part of it.

``read`` turns a source into a ``Document`` of plain data; ``validate`` holds it against a pydantic shape. Both
report every problem they can find at once and raise nothing for what is in a file. A document knows the place of
each value, each key, and each character inside a text, through every way YAML has of writing one.

Limits: one document a file, at most MAX_BYTES long and MAX_DEPTH deep; keys are text as written; no tags, no merge
keys; scalars are read by YAML 1.2's core schema, so ``on``, ``yes``, ``21:00`` and ``2026-01-31`` are text.
"""

from tidings.documents.document import Document, Path, Place, Span
from tidings.documents.nearness import did_you_mean, nearest
from tidings.documents.reading import MAX_ALIASED, MAX_BYTES, MAX_DEPTH, Report, read
from tidings.documents.shapes import validate

__all__ = [
    "MAX_ALIASED",
    "MAX_BYTES",
    "MAX_DEPTH",
    "Document",
    "Path",
    "Place",
    "Report",
    "Span",
    "did_you_mean",
    "nearest",
    "read",
    "validate",
]
