"""Writes what came of a run as JUnit XML, which CI systems read."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hal.testing.result import Group, Result

__all__ = ["to_junit"]


def to_junit(result: Result) -> str:
    """Return a result as XML: a test case per operator and dtype, and one per failed case.

    Source: https://github.com/testmoapp/junitxml

    Examples
    --------
    >>> from hal.testing import Outcome, Result
    >>> result = Result("x:0")
    >>> result.add([Outcome("add", "float32", "4", "native")])
    >>> print(to_junit(result).splitlines()[-3].strip())
    <testcase classname="hal.x:0.add" name="float32" time="0.000" />
    """
    root = ET.Element("testsuites", name="hal conformance", time=f"{result.seconds:.3f}")
    for group in dict.fromkeys(name for name, _ in result.groups):
        suite = ET.SubElement(root, "testsuite", name=f"{result.device} {group}")
        for (name, dtype), found in result.groups.items():
            if name == group:
                _add(suite, f"hal.{result.device}.{group}", dtype or group, found)
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(len(suite.findall("testcase/failure"))))
        suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _add(suite: ET.Element, classname: str, name: str, found: Group) -> None:
    for failure in found.failures:
        case = ET.SubElement(
            suite, "testcase", classname=classname, name=_plain(f"{name}: {failure.case}")
        )
        message = _plain(failure.message)
        ET.SubElement(case, "failure", message=message.split("\n")[0]).text = message
    case = ET.SubElement(
        suite, "testcase", classname=classname, name=name, time=f"{found.seconds:.3f}"
    )
    if found.verdict in ("unsupported", "skipped"):
        ET.SubElement(case, "skipped", message=_plain(found.notes[0].message))


def _plain(text: str) -> str:
    """Return text without the control characters that XML cannot hold."""
    return "".join(c if c >= " " or c in "\n\t" else "?" for c in text)
