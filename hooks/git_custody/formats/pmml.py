"""PMML: predictive models in XML, which run nothing, except where they name a Java class as a function.

A document type declaration makes XML parsers read other files (XXE) or explode, and no PMML since 3.0 has one.
What an ``Extension`` holds is ignored by everybody but the program that wrote it. A function with dots in its name
is, to JPMML-Evaluator's `FunctionRegistry`, the name of a class that it loads. Elements: https://dmg.org/pmml/v4-4-1/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from xml.parsers import expat

from git_custody.core.content import Content
from git_custody.formats.verdicts import CODE, MALFORMED, SAFE, Budget, Member, Said, Scene

ID = "pmml"
PARSED_AT_MOST = 2 * 1024 * 1024
SEARCHED_AT_MOST = 512 * 1024 * 1024
WINDOW = 256 * 1024
OVERLAP = 1024
DEPTH_AT_MOST = 10_000
TOKEN_AT_MOST = 256 * 1024
NAMES_AT_MOST = 20_000  # of elements and attributes, of which PMML has few
ROOTS = (b"PMML", "PMML".encode("utf-16-le"), "PMML".encode("utf-16-be"))
XML_STARTS = (b"<", b"\xef\xbb\xbf<", b"\xff\xfe<", b"\xfe\xff\0<")
CLASS_NAME = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+")
APPLIED = re.compile(rb"<(?:\w+:)?Apply\s[^<>]{0,512}?\bfunction\s*=\s*[\"']([\w$]*[.&][^\"'<>]{1,256})[\"']")
ELEMENT = re.compile(rb"<([A-Za-z_][\w:.-]*)")
COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
DEFINED = re.compile(rb"<(?:\w+:)?DefineFunction\s[^<>]{0,512}?\bname\s*=\s*[\"']([\w$.]+)[\"']")


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Parse a PMML file, and look for a declaration and for classes that it calls."""
    head = scene.head
    named = scene.name.lower().endswith(".pmml")
    if not any(root in head for root in ROOTS) and not (named and head.startswith(XML_STARTS)):
        return
    reading = _Reading(scene.budget)
    try:
        reading.run(scene.content)
    except expat.ExpatError as error:
        if reading.root == "PMML" or (named and reading.root is None and error.lineno > 1):
            yield Said(MALFORMED, ID, f"a PMML model that is not well-formed XML from line {error.lineno} on")
        return
    except _Declared:
        if named or _first_element(scene.content.read_at(0, WINDOW)) == b"PMML":
            what = "a PMML model with a document type declaration, through which XML parsers read other files"
            yield Said(MALFORMED, ID, what)
        return
    except _TooDeep:
        yield Said(MALFORMED, ID, f"a PMML model of more than {DEPTH_AT_MOST} elements inside of each other")
        return
    if reading.root is None and named:
        yield Said(MALFORMED, ID, "a file that is meant as a PMML model and has no beginning of one")
    if reading.root != "PMML":
        return
    function = reading.class_called() or (reading.is_cut and _class_called_behind(scene.content)) or None
    if function:
        what = "a PMML model that calls a Java class by name"
        yield Said(CODE, ID, what, function, f"Apply function='{function}'")
    else:
        yield Said(SAFE, ID, "a PMML model")


def _first_element(data: bytes) -> bytes:
    """The local name of the first element behind a declaration."""
    data = data.replace(b"\0", b"")
    end = data.rfind(b"-->") + 3  # behind that, each comment without an end would be read to the last byte
    found = ELEMENT.search(COMMENT.sub(b"", data[:end]) + data[end:])
    return found[1].rpartition(b":")[2] if found else b""


class _Declared(Exception):
    """There is a document type declaration; nothing behind it is parsed."""


class _TooDeep(Exception):
    """Elements inside of elements, more than parsers take."""


class _OtherRoot(Exception):
    """Not PMML."""


class _Reading:
    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.root: str | None = None
        self.is_cut = False
        self._depth = 0
        self._applied: dict[str, None] = {}
        self._defined: set[str] = set()

    def run(self, content: Content) -> None:
        """Parse from the start. Raises `ExpatError`, `_Declared`."""
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = self._declared
        parser.StartElementHandler = self._element
        parser.EndElementHandler = self._left
        try:
            for at in range(0, PARSED_AT_MOST, WINDOW):
                if self._budget.steps < 0:
                    return
                window = content.read_at(at, WINDOW)
                parser.Parse(window, len(window) < WINDOW)
                if len(window) < WINDOW:
                    return
                if at + WINDOW - parser.CurrentByteIndex > TOKEN_AT_MOST or len(parser.intern) > NAMES_AT_MOST:
                    break
        except _OtherRoot:
            return
        self.is_cut = True

    def class_called(self) -> str | None:
        """The first function that is the name of a class, and none that the file defines."""
        return next((name for name in self._applied if name not in self._defined), None)

    def _declared(self, *_: object) -> None:
        raise _Declared

    def _left(self, _: str) -> None:
        self._depth -= 1

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        self._budget.steps -= 1
        self._depth += 1
        if self._depth > DEPTH_AT_MOST:
            raise _TooDeep
        local = name.rpartition(":")[2]
        if self.root is None:
            self.root = local
            if local != "PMML":
                raise _OtherRoot
        elif local == "Apply":
            function = attributes.get("function", "")
            if "." in function and CLASS_NAME.fullmatch(function) and len(self._applied) < 1000:
                self._applied[function] = None
        elif local == "DefineFunction" and len(self._defined) < 10_000:
            self._defined.add(attributes.get("name", ""))


def _class_called_behind(content: Content) -> str | None:
    """The same for the rest of a large file, which is only searched."""
    defined: set[bytes] = set()
    for at in range(0, SEARCHED_AT_MOST, WINDOW):
        window = content.read_at(at, WINDOW + OVERLAP)
        defined.update(DEFINED.findall(window)[:1000])
        for function in APPLIED.findall(window):
            name = unescape(function.decode("utf-8", "replace"))
            if function not in defined and CLASS_NAME.fullmatch(name):
                return name
        if len(window) < WINDOW + OVERLAP:
            break
    return None
