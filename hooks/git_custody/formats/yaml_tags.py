"""YAML whose tags make Python call something: ``!!python/object/apply:os.system`` and its kin.

PyYAML's `UnsafeLoader`, its `Loader` and `load` before 5.1, and (CVE-2020-1747, CVE-2020-14343) its `FullLoader`
before 5.4 look up and call what such tags name. Configurations are full of harmless ones, to classes of the program
that reads them or of extensions of MkDocs; so only what the standard library itself would run counts. The tags are
taken from PyYAML's parser of libyaml, which resolves ``%TAG`` and escapes, and nothing is ever constructed. Where
that breaks off, which the parser in Python may not do (``%YAML 1.3``), and behind the first MiB, they are searched
for.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from git_custody.core.content import Content
from git_custody.formats.verdicts import CODE, OPAQUE, Budget, Member, Said, Scene
from git_custody.formats.yaml_events import BreaksOffError, events

PARSED_AT_MOST = 1024 * 1024
PARSED_SLOWLY_AT_MOST = 64 * 1024  # without libyaml
SEARCHED_AT_MOST = 256 * 1024 * 1024
WINDOW = 1024 * 1024
TAG_AT_MOST = 512
PREFIXES_AT_MOST = 64
TAGS_AT_MOST = 200_000
HIDDEN_AT_MOST = 1_000
LINE_READ = 4096
TOO_MANY = Said(OPAQUE, "yaml-python", "YAML with more tags than are looked at", forced=True)

HINTS = (re.compile(rb"python/"), re.compile(rb"%TAG"), re.compile(rb"![^\s#!]{0,128}%[0-9A-Fa-f]{2}"))
WIDE_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
PREFIX = "tag:yaml.org,2002:python/"
TAG = re.compile(rb"!(?<![^\s,\[\]{}:?]!)(?:<[^>\s]{1,256}>|[^\s,\[\]{}]{1,256})")
HANDLE = re.compile(rb"![\w-]*!|!")
DIRECTIVE = re.compile(rb"^\xef?\xbb?\xbf?%TAG[ \t]+(![\w-]{0,64}!?)[ \t]+(\S{1,256})", re.MULTILINE)
QUOTED = re.compile(rb"""(?<![^\s,\[{:?-])(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')""")
HIDES = re.compile(rb"""(?<![^\s])#|(?<![^\s,\[{:?-])["']""")
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
    "decimal difflib enum fractions functools hashlib heapq html ipaddress itertools json keyword locale "
    "logging math numbers operator optparse pathlib queue random re _re sre_compile statistics string struct "
    "textwrap threading time types typing unicodedata urllib uuid warnings weakref zoneinfo ntpath posixpath "
    "_collections _datetime _decimal _operator"
)
DATA_MODULES = frozenset(_DATA.split())
BUT_NOT = (
    *("logging.config", "logging.handlers", "logging.FileHandler", "logging.basicConfig", "urllib.request"),
    *("types.FunctionType", "types.CodeType", "dataclasses.make_dataclass", "dataclasses._create_fn"),
    # What evaluates texts, and what reaches any attribute of a module
    *("typing.get_type_hints", "urllib.urlopen", "urllib.urlretrieve"),
    *(f"{module}.{name}" for module in ("operator", "_operator") for name in ("attrgetter", "methodcaller", "call")),
)
PRIVATE_BUT_HARMLESS = ("copyreg.", "copy_reg.", "re.", "_re.")
# Modules beside those of this Python's standard library whose functions run, open or load something.
_RUNNING = (
    "posix nt commands popen2 cPickle urllib2 lib2to3 test idlelib turtledemo imp pipes distutils asyncore asynchat "
    "cgi crypt msilib smtpd telnetlib"
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
    encoding = WIDE_MARKS.get(scene.head[:2])
    size = _hinted(content, encoding)
    if not size:
        return
    try:
        for tag, line in _tags(content.read_at(0, PARSED_AT_MOST), scene.budget):
            if (known := _python_tag(tag)) is not None and runs(known.target):
                yield _said(known, tag, f"in line {line + 1}")
                return
        is_parsed = size <= PARSED_AT_MOST
    except BreaksOffError:
        is_parsed = False
    if not is_parsed and scene.budget.steps >= 0:
        yield from _searched(content, size, encoding)


def _said(known: Tag, tag: str, where: str) -> Said:
    does = "call" if known.is_called else "look up"
    what = f"YAML with a tag that makes Python's unsafe loaders {does} {known.target}"
    return Said(CODE, "yaml-python", what, known.target, f"!!{tag.removeprefix('tag:yaml.org,2002:')} {where}")


def _window(content: Content, at: int, encoding: str | None) -> bytes:
    window = content.read_at(at, WINDOW + TAG_AT_MOST)
    return window if encoding is None else window.decode(encoding, "replace").encode()


def _hinted(content: Content, encoding: str | None) -> int:
    """How many bytes there are to look at, where anything in them hints at such tags; else 0."""
    hinted = False
    for at in range(0, SEARCHED_AT_MOST, WINDOW):
        window = _window(content, at, encoding)
        hinted = hinted or any(hint.search(window) for hint in HINTS)
        if not content.read_at(at + WINDOW, 1):
            return at + WINDOW if hinted else 0
    return SEARCHED_AT_MOST if hinted else 0


def _searched(content: Content, size: int, encoding: str | None) -> Iterator[Said]:
    """The first tag that runs something, told by its looks alone, outside of comments and quotes in its line."""
    prefixes = {(b"!!", b"tag:yaml.org,2002:"): None}
    tags = hidden = 0
    is_whole = True
    for at in range(0, size, WINDOW):
        window = _window(content, at, encoding)
        for directive in DIRECTIVE.finditer(window):
            pair = directive[1], _unescaped(directive[2])
            if len(prefixes) < PREFIXES_AT_MOST:
                prefixes[pair] = None
            elif pair not in prefixes:
                is_whole = False
        for found in TAG.finditer(window):
            resolved = list(_resolved(found[0], prefixes))
            tags += len(resolved) or 1
            for tag in resolved:
                known = _python_tag(tag)
                if known is not None and runs(known.target):
                    if not _is_hidden(window, found.start()):
                        yield _said(known, tag, f"at byte {at + found.start()}")
                        return
                    hidden += 1
            if tags > TAGS_AT_MOST or hidden > HIDDEN_AT_MOST:
                yield TOO_MANY
                return
    if not is_whole:
        yield TOO_MANY


def _resolved(tag: bytes, prefixes: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
    """What a tag as it is written stands for, with each of the prefixes that its handle has in the file."""
    if tag.startswith(b"!<"):
        yield _unescaped(tag[2:-1]).decode("utf-8", "replace")
    elif (handle := HANDLE.match(tag)) is not None:
        rest = _unescaped(tag[handle.end() :])
        for short, prefix in prefixes:
            if short == handle[0]:
                yield (prefix + rest).decode("utf-8", "replace")


def _unescaped(text: bytes) -> bytes:
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), text)


def _is_hidden(window: bytes, at: int) -> bool:
    before = window[max(window.rfind(b"\n", 0, at) + 1, at - LINE_READ) : at]
    return HIDES.search(QUOTED.sub(b"", before)) is not None


def _tags(data: bytes, budget: Budget) -> Iterator[tuple[str, int]]:
    """The tags of YAML as PyYAML's parser resolves them, and the lines they are in. Raises `BreaksOffError`."""
    import yaml

    is_cut = not hasattr(yaml, "CSafeLoader") and len(data) > PARSED_SLOWLY_AT_MOST
    for event in events(data[:PARSED_SLOWLY_AT_MOST] if is_cut else data, budget):
        tag = getattr(event, "tag", None)
        if tag is not None:
            yield str(tag), event.start_mark.line if event.start_mark else 0
    if is_cut:
        raise BreaksOffError


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


def runs(name: str) -> bool:
    """Whether a call of a dotted name runs, opens or loads something of Python's own."""
    module, _, attribute = name.rpartition(".")
    if module in BUILTINS:
        return attribute in RUNNING_BUILTINS
    if name.startswith(HARMLESS):
        return False
    if name.startswith(BUT_NOT):
        return True
    root = name.partition(".")[0]
    if root in DATA_MODULES:
        # Of a class's own, as `zoneinfo.ZoneInfo._unpickle`, PyYAML finds none.
        return attribute.startswith("_") and module.islower() and not name.startswith(PRIVATE_BUT_HARMLESS)
    return root in sys.stdlib_module_names or root in RUNNING_MODULES
