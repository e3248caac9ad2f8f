"""YAML whose tags make Python call something: ``!!python/object/apply:os.system`` and its kin.

PyYAML's `UnsafeLoader`, its `Loader` and `load` before 5.1, and (CVE-2020-1747, CVE-2020-14343) its `FullLoader`
before 5.4 look up and call what such tags name. Configurations are full of harmless ones, to classes of the program
that reads them or of extensions of MkDocs; so only what the standard library itself would run counts. The tags are
taken from PyYAML's own parser, which resolves ``%TAG`` and escapes, and nothing is ever constructed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from git_custody.core.content import Content
from git_custody.formats.verdicts import CODE, Member, Said, Scene

PARSED_AT_MOST = 1024 * 1024
PARSED_SLOWLY_AT_MOST = 64 * 1024  # without libyaml
SEARCHED_AT_MOST = 64 * 1024 * 1024
WINDOW = 1024 * 1024
TAG_AT_MOST = 256

HINT = re.compile(rb"python/|%TAG|![^\s#]{0,128}%[0-9A-Fa-f]{2}")
WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
PREFIX = "tag:yaml.org,2002:python/"
TAG = re.compile(rb"(?:!!|!<tag:yaml\.org,2002:)python/([a-z/]{4,12}:[\w.]{1,128})")
LOOKED_UP = "name:"
CALLED = ("object/apply:", "object/new:", "object:")

BUILTINS = ("builtins", "__builtin__")
_BUILTINS = (
    "eval exec compile open getattr setattr delattr input breakpoint globals locals vars __import__ execfile "
    "file reload apply raw_input help"
)
RUNNING_BUILTINS = frozenset(_BUILTINS.split())
# Of the standard library: what makes data, or computes and touches nothing.
_DATA = (
    "abc argparse array base64 binascii calendar cmath collections copy copyreg copy_reg dataclasses datetime "
    "decimal difflib enum fractions functools hashlib heapq html inspect ipaddress itertools json keyword locale "
    "logging math numbers operator optparse pathlib queue random re _re sre_compile statistics string struct "
    "textwrap threading time types typing unicodedata urllib uuid warnings weakref zoneinfo ntpath posixpath "
    "_collections _datetime _decimal _operator"
)
DATA_MODULES = frozenset(_DATA.split())
BUT_NOT = (
    *("logging.config", "logging.handlers", "logging.FileHandler", "logging.basicConfig", "urllib.request"),
    *("types.FunctionType", "types.CodeType", "dataclasses.make_dataclass", "dataclasses._create_fn"),
)
# Modules whose functions run, open or load something; a tag that only looks one up hands it to the next.
_RUNNING = (
    "os posix nt subprocess _posixsubprocess pty commands popen2 platform runpy code codeop importlib imp "
    "pkgutil zipimport ctypes _ctypes multiprocessing asyncio pickle _pickle cPickle marshal shelve timeit "
    "cProfile profile pdb bdb trace webbrowser shutil socket ftplib smtplib urllib2 doctest unittest sys gc "
    "concurrent signal tempfile venv ensurepip lib2to3 test idlelib turtledemo"
)
RUNNING_MODULES = frozenset(_RUNNING.split())
HARMLESS = ("os.path.", "os.getenv", "os.environ", "os.sep", "os.cpu_count", "os.getcwd", "os.PathLike", "sys.maxsize")


class Tag(NamedTuple):
    """A tag of PyYAML's for Python: what it names, as a dotted name, and whether loading calls that."""

    target: str
    is_called: bool


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Look for tags that run something of the standard library."""
    content = scene.content
    size = _hinted(content, scene.head)
    if not size:
        return
    for tag, line in _tags(content.read_at(0, PARSED_AT_MOST)):
        if (known := _python_tag(tag)) is not None and _runs(known):
            yield _said(known, tag, f"in line {line + 1}")
            return
    for at in range(0, size if size > PARSED_SLOWLY_AT_MOST else 0, WINDOW):
        window = content.read_at(at, WINDOW + TAG_AT_MOST)
        for found in TAG.finditer(window):
            begin = window.rfind(b"\n", 0, found.start()) + 1
            before = window[begin : found.start()]
            known = _python_tag(PREFIX + found[1].decode("ascii", "replace"))
            if known is not None and _runs(known) and not any(sign in before for sign in (b"#", b"'", b'"')):
                yield _said(known, PREFIX + found[1].decode("ascii", "replace"), f"at byte {at + found.start()}")
                return


def _said(known: Tag, tag: str, where: str) -> Said:
    does = "call" if known.is_called else "look up"
    what = f"YAML with a tag that makes Python's unsafe loaders {does} {known.target}"
    return Said(CODE, "yaml-python", what, known.target, f"!!{tag.removeprefix('tag:yaml.org,2002:')} {where}")


def _hinted(content: Content, head: bytes) -> int:
    """How many bytes there are to look at, where anything in them hints at such tags; else 0."""
    wide = head.startswith(WIDE_MARKS)
    hinted, at = wide, 0
    while at < SEARCHED_AT_MOST:
        window = content.read_at(at, WINDOW + TAG_AT_MOST)
        hinted = hinted or HINT.search(window) is not None
        if len(window) <= WINDOW:
            return at + len(window) if hinted else 0
        if wide:
            return WINDOW
        at += WINDOW
    return at if hinted else 0


def _tags(data: bytes) -> Iterator[tuple[str, int]]:
    """The tags of YAML as PyYAML's parser resolves them, and the lines they are in, up to the first error."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", None)
    if loader is None:
        loader, data = yaml.SafeLoader, data[:PARSED_SLOWLY_AT_MOST]
    try:
        for event in yaml.parse(data, Loader=loader):
            tag = getattr(event, "tag", None)
            if tag is not None:
                yield str(tag), event.start_mark.line if event.start_mark else 0
    except (yaml.YAMLError, ValueError):
        return


def _python_tag(tag: str) -> Tag | None:
    if not tag.startswith(PREFIX):
        return None
    rest = tag[len(PREFIX) :]
    if rest.startswith(LOOKED_UP):
        return Tag(_qualified(rest[len(LOOKED_UP) :]), False)
    for start in CALLED:
        if rest.startswith(start):
            return Tag(_qualified(rest[len(start) :]), True)
    return None


def _qualified(name: str) -> str:
    """The name with its module: PyYAML looks names without one up among the built-in ones."""
    return name if "." in name else f"builtins.{name}"


def _runs(tag: Tag) -> bool:
    name = tag.target
    module, _, attribute = name.rpartition(".")
    if module in BUILTINS:
        return attribute in RUNNING_BUILTINS
    if name.startswith(HARMLESS):
        return False
    if name.startswith(BUT_NOT):
        return True
    root = name.partition(".")[0]
    if tag.is_called:
        known = root in sys.stdlib_module_names or root in RUNNING_MODULES
        return known and root not in DATA_MODULES
    return root in RUNNING_MODULES
