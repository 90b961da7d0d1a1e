"""The tests of a rulebook: cases beside the rules that say what must go out for an event, and nothing else.

``read_tests`` reads ``*_test.yaml``, ``run_suite`` decides, composes and compares, ``measure`` tells what the cases
exercise, ``check_tests`` is what ``tidings check`` says of them. Nothing is sent and no clock is read: the time is
the case's. Limits: what happens after composing (retries, gates other than expiry) is no matter of a case.
"""

from tidings.rulebook.testing.cases import Case, Suite, read_event_files, read_tests
from tidings.rulebook.testing.checking import check_tests, untested
from tidings.rulebook.testing.comparing import Difference
from tidings.rulebook.testing.coverage import Clause, Coverage, RuleCoverage, Share, measure
from tidings.rulebook.testing.junit import junit_xml
from tidings.rulebook.testing.running import Report, Result, run_suite, run_tests
from tidings.rulebook.testing.shapes import CasesFile
from tidings.rulebook.testing.telling import as_json, describe, shown, summary

__all__ = [
    "Case",
    "CasesFile",
    "Clause",
    "Coverage",
    "Difference",
    "Report",
    "Result",
    "RuleCoverage",
    "Share",
    "Suite",
    "as_json",
    "check_tests",
    "describe",
    "junit_xml",
    "measure",
    "read_event_files",
    "read_tests",
    "run_suite",
    "run_tests",
    "shown",
    "summary",
    "untested",
]
