"""From the parser's events to nodes, without recursion and within limits.

The C composer recurses on the C stack: a hundred thousand brackets end the process. So nodes are composed here, from
the C parser's events.
"""

from collections.abc import Callable
from typing import Any, Final, NoReturn

import yaml

from tidings.documents.document import ListNode, MapNode, Node, ScalarNode, Text
from tidings.documents.resolving import resolve
from tidings.model import Problem

MAX_DEPTH: Final = 50
"""How deep lists and mappings may nest."""

MAX_ALIASED: Final = 50_000
"""How many nodes all aliases of a file may stand for together."""

_MERGE_KEY: Final = "<<"


class Unreadable(Exception):
    """The file cannot be read on from here; what was reported says why."""


class Composer:
    """Builds the node tree of one document; reports what it can go on after, raises Unreadable otherwise."""

    def __init__(self, text: Text, report: Callable[[Problem], None]) -> None:
        self._text = text
        self._report = report
        self._anchors: dict[str, Node] = {}
        self._aliased = 0
        self._open: list[ListNode | MapNode] = []
        self._keys: list[Node | None] = []
        """For each open mapping, the key that waits for its value; None in lists and before a key."""
        self._root: Node | None = None

    def compose(self, loader: Any) -> Node | None:
        """Read the first document; return its root, or None when there is nothing in it."""
        next_event = loader.get_event
        while (kind := type(event := next_event())) is not yaml.StreamEndEvent:
            if kind is yaml.ScalarEvent:
                self._add(self._scalar(event))
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._start(event)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._keys.pop()
                self._open.pop().end = event.end_mark.index
            elif kind is yaml.AliasEvent:
                self._add(self._alias(event))
            elif kind is yaml.DocumentStartEvent and self._root is not None:
                self._fail(event, "several-documents", "the file holds a second document", "keep one document a file")
        return self._root

    def _scalar(self, event: Any) -> ScalarNode:
        if event.tag is not None:
            self._refuse_tag(event)
        text, style = event.value, event.style
        value = text if style else resolve(text)
        node = ScalarNode(value, event.start_mark.index, event.end_mark.index, style, text)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _start(self, event: Any) -> None:
        if len(self._open) >= MAX_DEPTH:
            self._too_deep(event)
        if event.tag is not None:
            self._refuse_tag(event)
        start = event.start_mark.index
        node = MapNode(start) if type(event) is yaml.MappingStartEvent else ListNode(start)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        self._add(node)
        self._open.append(node)
        self._keys.append(None)

    def _alias(self, event: Any) -> Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            self._fail(event, "yaml-syntax", f"the alias *{event.anchor} has no anchor before it", "")
        if any(node is each for each in self._open):
            self._fail(event, "alias-cycle", f"the alias *{event.anchor} stands inside what it names", "")
        self._measure(node, len(self._open), event)
        return node

    def _measure(self, node: Node, depth: int, event: Any) -> None:
        """Count what an alias stands for, within the limits."""
        waiting = [(node, depth)]
        while waiting:
            each, level = waiting.pop()
            self._aliased += 1
            if self._aliased > MAX_ALIASED:
                text = f"the aliases of the file stand for more than {MAX_ALIASED} values"
                self._fail(event, "alias-bomb", text, "write the values out, or use fewer aliases")
            if level > MAX_DEPTH:
                self._too_deep(event)
            if isinstance(each, ListNode):
                waiting += [(item, level + 1) for item in each.items]
            elif isinstance(each, MapNode):
                waiting += [(value, level + 1) for _, value in each.entries.values()]

    def _add(self, node: Node) -> None:
        """Put a node where the innermost open collection expects one."""
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        if type(parent) is ListNode:
            parent.items.append(node)
            parent.value.append(node.value)
        elif type(parent) is MapNode:
            key = self._keys[-1]
            if key is None:
                self._keys[-1] = node
                return
            self._keys[-1] = None
            if type(key) is ScalarNode and key.text not in parent.entries and key.text != _MERGE_KEY:
                parent.entries[key.text] = (key, node)
                parent.value[key.text] = node.value
            else:
                self._enter(parent, key, node)

    def _enter(self, parent: MapNode, key: Node, node: Node) -> None:
        """Put an entry with an unusual key into a mapping, or report the key."""
        if not isinstance(key, ScalarNode):
            self._find(key, "key-not-text", "a key must be a text, not a list or mapping", "put quotes round it")
        elif key.text == _MERGE_KEY and not key.style:
            self._find(key, "merge-key", "merge keys (<<) are not supported", "write the keys out")
        elif key.text in parent.entries:
            self._duplicate(key, parent.entries[key.text][0])
        else:
            parent.entries[key.text] = (key, node)
            parent.value[key.text] = node.value

    def _duplicate(self, key: ScalarNode, first: ScalarNode) -> None:
        line, column = self._text.place(first.start)
        message = f"the key {key.text!r} is here a second time; the first is at {line}:{column}"
        self._find(key, "duplicate-key", message, "remove one of the two")

    def _refuse_tag(self, event: Any) -> None:
        place = self._text.place(event.start_mark.index)
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        hint = "leave it out; put quotes round a value that must be text"
        self._report(self._problem(place, "yaml-tag", f"tags such as {tag} are not supported", hint))

    def _too_deep(self, event: Any) -> None:
        self._fail(event, "nesting-too-deep", f"lists and mappings nest deeper than {MAX_DEPTH} levels", "")

    def _find(self, node: Node, code: str, message: str, hint: str) -> None:
        self._report(self._problem(self._text.place(node.start), code, message, hint))

    def _fail(self, event: Any, code: str, message: str, hint: str) -> NoReturn:
        self._report(self._problem(self._text.place(event.start_mark.index), code, message, hint))
        raise Unreadable

    def _problem(self, place: tuple[int, int], code: str, message: str, hint: str) -> Problem:
        return Problem(file=self._text.path, line=place[0], column=place[1], code=code, message=message, hint=hint)
