"""JUnit: a test case for each gate, and one for the study itself, as CI systems read them.

pass        a case that passes
fail        a failure
undecided   a failure that says so, or where undecided counts as pass, a case that is skipped
no verdict  an error of the study's case
"""

import re
from xml.etree import ElementTree

from service.wire.characters import printable
from service.wire.views.document import StudyDocument
from service.wire.views.gate_report import GateAnswer, GateReport
from service.wire.words import numbers
from service.wire.words.gates import reason
from service.wire.words.trivial import trivial_lines

FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped: colours of a terminal in an error, say."""


def junit(document: StudyDocument) -> str:
    """A suite: a case for the verdict, and a case for each gate."""
    study, result = document.study, document.result
    gates = result.gates if result else None
    suite = ElementTree.Element("testsuite", name=study.name)
    _add_study(suite, document)
    for answer in gates.answers if gates else []:
        _add_gate(suite, study.name, answer, gates)
    cases = list(suite)
    for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(kind, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("tests", str(len(cases)))
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    for element in suites.iter():
        element.text = element.text and printable(FORBIDDEN.sub("", element.text))
        element.attrib.update(
            {k: printable(FORBIDDEN.sub("", v)) for k, v in element.attrib.items()}
        )
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _add_study(suite: ElementTree.Element, document: StudyDocument) -> None:
    study, result = document.study, document.result
    took = result.wall_seconds if result else 0.0
    case = ElementTree.SubElement(
        suite, "testcase", classname=study.name, name="verdict", time=f"{took:.3f}"
    )
    suite.set("time", f"{took:.3f}")
    if result is None or study.status != "completed":
        why = study.error or f"the study is {study.status}"
        ElementTree.SubElement(case, "error", message=why)
        return
    best = result.finalists[0]
    params = numbers.params(numbers.searched_params(study.spec, best.branch, best.params))
    score = numbers.score(best.sealed.score if best.sealed else None, result.metric)
    output = ElementTree.SubElement(case, "system-out")
    said = [f"{best.branch} {params}: sealed {result.metric} {score}", *trivial_lines(result)]
    output.text = "\n".join(said)


def _add_gate(
    suite: ElementTree.Element, study: str, answer: GateAnswer, gates: GateReport | None
) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=f"{study}.gates", name=answer.rule)
    message = reason(answer)
    if answer.answer == "fail":
        ElementTree.SubElement(case, "failure", message=message, type="fail")
    elif answer.answer == "undecided":
        tolerated = gates is not None and gates.undecided == "pass"
        if tolerated:
            ElementTree.SubElement(case, "skipped", message=f"undecided: {message}")
        else:
            ElementTree.SubElement(
                case, "failure", message=f"undecided: {message}", type="undecided"
            )
    else:
        ElementTree.SubElement(case, "system-out").text = message
