"""OpenVINO IR: the XML half of a model (the .bin beside it is raw weights), read without entities.

The layout is docs/articles_en/documentation/openvino-ir-format of OpenVINO and `src/core/xml_util`. OpenVINO
itself reads no DOCTYPE; layers that are not of its own operation sets need an extension library, which the application
has to load; a `library` attribute would name one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from git_custody.formats.reading import BrokenError, TooMuchError, gave_up
from git_custody.formats.verdicts import CODE, SAFE, Budget, Member, Said, Scene

TITLE = "an OpenVINO model"
VERSIONS_WITHOUT_SETS = frozenset("234567")
OPERATION_SET = re.compile(r"opset\d{1,3}")
ROOT = re.compile(rb"<net\s(?=[^>]*\bversion\s*=)")
LAYERS = b"<layers"
BYTES_AT_MOST = 128 * 1024 * 1024
ELEMENTS_AT_MOST = 1_000_000
STEPS_PER_LAYER = 4
ATTRIBUTES_PER_STEP, BYTES_PER_STEP = 8, 128
DEPTH_AT_MOST = 1_000
TOKEN_AT_MOST = 256 * 1024
WINDOW = 65_536
NAME_AT_MOST = 200
NAMES_AT_MOST = 20_000


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Look for layers that are not OpenVINO's own."""
    head = scene.head.replace(b"\0", b"")  # UTF-16 is accepted, too
    if not ROOT.search(head):
        return
    network = _Network(scene.budget)
    try:
        network.read(scene)
    except _NotOursError:
        return
    except (BrokenError, TooMuchError) as error:
        if network.layers or LAYERS in head:
            yield gave_up(error, "openvino", TITLE)
    yield from network.said()


class _Network:
    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.layers = 0
        self.library: str | None = None
        self.custom: str | None = None
        self.whole = False
        self._elements = 0
        self._depth = 0
        self._has_sets = True

    def said(self) -> Iterator[Said]:
        if self.library is not None:
            what = f"{TITLE} that names a native library"
            yield Said(CODE, "openvino-custom", what, None, self.library)
        elif self.custom is not None and self.whole:
            what = f"{TITLE} with layers that are not part of OpenVINO"
            yield Said(SAFE, "openvino-custom", what, None, self.custom)
        elif self.layers and self.whole:
            yield Said(SAFE, "openvino", TITLE)

    def read(self, scene: Scene) -> None:
        """Read the text to its end. Raises `BrokenError` for what is no XML, or has a DOCTYPE."""
        from xml.parsers import expat

        parser = expat.ParserCreate()
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = _refuse
        parser.EntityDeclHandler = _refuse
        at = 0
        try:
            while window := scene.content.read_at(at, WINDOW):
                at += len(window)
                self._budget.steps -= len(window) // BYTES_PER_STEP
                parser.Parse(window, False)
                names = len(parser.intern)  # of elements and attributes, of which OpenVINO has few
                if at > BYTES_AT_MOST or at - parser.CurrentByteIndex > TOKEN_AT_MOST or names > NAMES_AT_MOST:
                    raise TooMuchError
                if self._budget.steps < 0:
                    raise TooMuchError
            parser.Parse(b"", True)
        except (expat.ExpatError, ValueError, LookupError):
            raise BrokenError from None
        self.whole = True

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        if not self._elements:
            if name != "net":
                raise _NotOursError
            self._has_sets = attributes.get("version", "") not in VERSIONS_WITHOUT_SETS
        self._elements += 1
        self._budget.steps -= (STEPS_PER_LAYER if name == "layer" else 1) + len(attributes) // ATTRIBUTES_PER_STEP
        self._depth += 1
        if self._elements > ELEMENTS_AT_MOST or self._depth > DEPTH_AT_MOST or self._budget.steps < 0:
            raise TooMuchError
        if name != "layer":
            return
        self.layers += 1
        layer = f"layer {attributes.get('name', '')[:NAME_AT_MOST]!r}"
        library = attributes.get("library")
        if library is not None and self.library is None:
            self.library = f"{layer}: library {library[:NAME_AT_MOST]!r}"
        operation_set = attributes.get("version", "")
        if self.custom is None and self._has_sets and not OPERATION_SET.fullmatch(operation_set):
            self.custom = f"{layer} of {operation_set[:NAME_AT_MOST]!r}"

    def _end(self, _: str) -> None:
        self._depth -= 1


class _NotOursError(Exception):
    """Another kind of XML."""


def _refuse(*_: object) -> None:
    raise BrokenError
