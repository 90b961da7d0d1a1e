"""Random expressions on random documents: ours, the trace and the reference implementation agree."""

from typing import Any

from hypothesis import given

from expressions_kit import DOCUMENTS, EXPRESSIONS, PATIENT, SOUPS, our_outcome, reference_outcome, traced_outcome


@PATIENT
@given(text=EXPRESSIONS, document=DOCUMENTS)
def test_search_gives_what_the_reference_gives(text: str, document: Any) -> None:
    assert our_outcome(text, document) == reference_outcome(text, document)


@PATIENT
@given(text=EXPRESSIONS, document=DOCUMENTS)
def test_a_trace_comes_to_what_the_search_gives(text: str, document: Any) -> None:
    assert traced_outcome(text, document) == our_outcome(text, document)


@PATIENT
@given(text=SOUPS, document=DOCUMENTS)
def test_what_is_no_expression_is_none_to_the_reference_either(text: str, document: Any) -> None:
    assert our_outcome(text, document) == reference_outcome(text, document)
