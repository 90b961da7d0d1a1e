"""The outcome of cases as JUnit XML, which build servers read."""

import re
from typing import Final
from xml.etree import ElementTree as ET

from tidings.model import Problem, Severity
from tidings.rulebook.testing.running import Report, Result
from tidings.rulebook.testing.telling import describe

_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(report: Report) -> bytes:
    """Return the report as one ``testsuite`` a file; a file that cannot be read as it should is an ``error``."""
    root = ET.Element("testsuites", name="tidings test")
    files = dict.fromkeys([*(each.case.file for each in report.results), *(each.file for each in _errors(report))])
    for file in files:
        results = [each for each in report.results if each.case.file == file]
        errors = [each for each in _errors(report) if each.file == file]
        counts = {"tests": len(results) + len(errors), "failures": sum(not each.passed for each in results)}
        suite = ET.SubElement(root, "testsuite", name=file, errors=str(len(errors)), skipped="0")
        suite.attrib.update({name: str(count) for name, count in counts.items()})
        for error in errors:
            case = ET.SubElement(suite, "testcase", name=f"line {error.line}", classname=_class(file))
            ET.SubElement(case, "error", type=error.code, message=_clean(error.message)).text = _clean(str(error))
        for result in results:
            suite.append(_case(result))
    totals = {name: sum(int(suite.attrib[name]) for suite in root) for name in ("tests", "failures", "errors")}
    root.attrib.update({name: str(count) for name, count in totals.items()})
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _errors(report: Report) -> list[Problem]:
    return [each for each in report.problems if each.severity is Severity.ERROR]


def _case(result: Result) -> ET.Element:
    case = result.case
    element = ET.Element("testcase", name=_clean(case.name), classname=_class(case.file))
    element.attrib.update({"file": case.file, "line": str(case.line)})
    if not result.passed:
        message = "; ".join(each.title for each in result.differences)
        failure = ET.SubElement(element, "failure", type="difference", message=_clean(message))
        failure.text = _clean("\n".join(describe(result)))
    return element


def _class(file: str) -> str:
    return file.removesuffix(".yaml")


def _clean(text: str) -> str:
    """Replace characters that XML cannot hold, whatever an event brought along."""
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
