"""safetensors: a length, a JSON header, and the tensors' bytes; and the index of a model in several such files.

The header is held to more than the safetensors library asks for (`safetensors/src/tensor.rs`, 0.8): what its README
says is not allowed but the library lets pass, such as keys given twice or unknown ones, is where two readers would
read two things. What passes here, the library accepts; tests compare both. Headers are read a window at a time, so
that one of 16 MiB (the largest in use have 4 MiB) needs little memory.
"""

from __future__ import annotations

import codecs
import json
import re
from array import array
from collections.abc import Iterator

from git_custody.core.content import Content
from git_custody.formats.cursor import is_cut_short
from git_custody.formats.pointers import is_pointer
from git_custody.formats.reading import TooMuchError, gave_up
from git_custody.formats.verdicts import MALFORMED, OPAQUE, SAFE, Budget, Member, Said, Scene

ID, INDEX_ID = "safetensors", "safetensors-index"
SUFFIX, INDEX_SUFFIX = ".safetensors", ".safetensors.index.json"
HEADER_AT_MOST = 16 * 1024 * 1024
LIBRARY_HEADER_AT_MOST = 100_000_000
INDEX_AT_MOST = 48 * 1024 * 1024
ENTRIES_OF_INDEX_AT_MOST = 500_000
FILES_OF_INDEX_AT_MOST = 20_000
VALUES_BESIDE_WEIGHT_MAP_AT_MOST = 10_000
ENTRIES_AT_MOST = 300_000
METADATA_AT_MOST = 100_000
DIMENSIONS_AT_MOST = 64
EXTENTS_AT_MOST = 3_000_000  # with the other fields of each tensor
STEPS_PER_ENTRY, STEPS_PER_PAIR, BYTES_PER_STEP = 4, 2, 256
LONG_TOKEN, BYTES_OF_LONG_TOKEN_PER_STEP = 256, 16

CONTROLS = bytes((*range(32), 127))
# Bits per element.
DTYPES = {b"BOOL": 8, b"F4": 4, b"F6_E2M3": 6, b"F6_E3M2": 6}
DTYPES |= dict.fromkeys((b"U8", b"I8", b"F8_E5M2", b"F8_E4M3", b"F8_E8M0", b"F8_E4M3FNUZ", b"F8_E5M2FNUZ"), 8)
DTYPES |= dict.fromkeys((b"I16", b"U16", b"F16", b"BF16"), 16)
DTYPES |= dict.fromkeys((b"I32", b"U32", b"F32"), 32)
DTYPES |= dict.fromkeys((b"I64", b"U64", b"F64", b"C64"), 64)

_WINDOW = 256 * 1024
_LONGEST_TOKEN = 128 * 1024
_SPACE = rb"[ \t\r\n]*"
# Surrogates only in pairs: the library refuses others.
_ESCAPE = (
    rb'\\(?:["\\/bfnrt]|u(?:[0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}'
    rb"|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))"
)
_CHARACTERS = rb'[^"\\\x00-\x1f]*'
_STRING = rb'"(' + _CHARACTERS + rb"(?:" + _ESCAPE + _CHARACTERS + rb'){0,2000})"' + _SPACE
_NUMBER = rb"(?:0|[1-9][0-9]{0,19})" + _SPACE
_FIELD = _SPACE + rb'"(dtype|shape|data_offsets)"' + _SPACE + rb":" + _SPACE
_FIELD += rb'("[A-Z0-9_]{1,16}"|\[[0-9, \t\r\n]*\])' + _SPACE

# Compiled when they are first used; `re` keeps them.
_OPEN = _SPACE + rb"\{" + _SPACE
_KEY = _SPACE + _STRING + rb":" + _SPACE
_FIELDS = rb"\{" + rb",".join([_FIELD] * 3) + rb"\}"
_NUMBERS = rb"\[" + _SPACE + rb"(?:" + _NUMBER + rb"(?:," + _SPACE + _NUMBER + rb")*)?\]"
_NEXT = _SPACE + rb"([,}])"
_ENTRY = _KEY + _FIELDS + _NEXT
_CLOSE = rb"\}"
_PAIR = _KEY + _STRING + rb"([,}])"
_QUOTE = rb'"'
_ESCAPES = rb"(?:" + _ESCAPE + _CHARACTERS + rb"){1,500}"
_SCALAR = rb'[^"\[\]{},]+'
_BRACKET_OR_REST = rb'[\[{]|[\]}]|[^"\[\]{}]+'


class _Malformed(Exception):
    """The words that complete "a safetensors file ...", and what stands where."""

    def __init__(self, what: str, evidence: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.evidence = evidence


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Check a safetensors file, or the index of one in several parts."""
    name, head = scene.name.lower(), scene.head
    named = name.endswith((SUFFIX, INDEX_SUFFIX))
    if named and is_pointer(head):
        return
    if name.endswith(INDEX_SUFFIX):
        yield _of_index(scene.content, scene.budget)
        return
    length = int.from_bytes(head[:8], "little")
    begins_well = head[8:9] == b"{" and 2 <= length <= LIBRARY_HEADER_AT_MOST
    if begins_well:
        yield from _of_file(scene, length, named or _is_plainly_meant(head))
    elif named:
        yield Said(MALFORMED, ID, "named .safetensors and is not one")


def _is_plainly_meant(head: bytes) -> bool:
    return b'"dtype"' in head or b'"data_offsets"' in head or head.startswith(b'{"__metadata__"', 8)


def _of_file(scene: Scene, length: int, meant: bool) -> Iterator[Said | Member]:
    content = scene.content
    try:
        end = _checked(content, length, scene.budget)
    except TooMuchError as error:
        if meant:
            yield gave_up(error, ID, "a safetensors file")
        return
    except _Malformed as flaw:
        if meant and not is_cut_short(content):
            yield Said(MALFORMED, ID, f"a safetensors file {flaw.what}", evidence=flaw.evidence)
        return
    behind = content.read_at(end, 4)
    if not behind:
        yield Said(SAFE, ID, "a safetensors file")
    elif meant:
        what = "a zip archive" if behind == b"PK\x03\x04" else "bytes"
        yield Said(MALFORMED, ID, f"a safetensors file with {what} behind its tensors", evidence=f"from byte {end}")
        yield Member("bytes behind the tensors", scene.behind(end))


def _of_index(content: Content, budget: Budget) -> Said:
    size = content.size
    if size > INDEX_AT_MOST:
        return Said(OPAQUE, INDEX_ID, "a safetensors index of more than 48 MiB", forced=True)
    try:
        _check_index(_Scanner(content, 0, size, "text", budget))
    except TooMuchError as error:
        return gave_up(error, INDEX_ID, "a safetensors index")
    except _Malformed as flaw:
        return Said(MALFORMED, INDEX_ID, f"a safetensors index {flaw.what}", evidence=flaw.evidence)
    return Said(SAFE, INDEX_ID, "the index of a safetensors model in several files")


class _Scanner:
    """Takes JSON tokens off the UTF-8 text between two places of `content`, a window at a time."""

    def __init__(self, content: Content, begin: int, end: int, part: str, budget: Budget) -> None:
        self._budget = budget
        self.not_json = f"whose {part} is not valid JSON"
        self._content, self._next, self._end, self._part = content, begin, end, part
        self._text, self._at = b"", 0
        self._utf8 = codecs.getincrementaldecoder("utf-8")()

    def pay(self, steps: int) -> None:
        """Take what something costs. Raises `TooMuchError`."""
        self._budget.steps -= steps
        if self._budget.steps < 0:
            raise TooMuchError

    def take(self, pattern: bytes) -> re.Match[bytes] | None:
        """Match one token of at most 128 KiB, and step behind it."""
        compiled = re.compile(pattern)
        while True:
            match = compiled.match(self._text, self._at)
            if (match and match.end() < len(self._text)) or not self._more():
                break
        if match:
            if match.end() - self._at > LONG_TOKEN:
                self.pay((match.end() - self._at) // BYTES_OF_LONG_TOKEN_PER_STEP)
            self._at = match.end()
        return match

    def skip_string(self) -> bool:
        """Step behind a string of any length, if one begins here."""
        if not self.take(_QUOTE):
            return False
        while True:
            characters = self.take(_CHARACTERS)
            if self.take(_QUOTE):
                return True
            if not self.take(_ESCAPES) and not (characters and characters.group()):
                raise _Malformed(self.not_json, "a string does not end, or holds what it must not")

    def skip_value(self, values_at_most: int) -> int:
        """Step behind any value, and return how many more values are allowed."""
        if self.skip_string() or self.take(_SCALAR):
            return values_at_most - 1
        depth = 0
        for left in range(values_at_most, 0, -1):
            if not self.skip_string():
                token = self.take(_BRACKET_OR_REST)
                if token is None:
                    break
                depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token.group(), 0)
                if depth <= 0:
                    return left
        raise _Malformed(self.not_json)

    def at_end(self) -> bool:
        """Whether all text has been taken."""
        return self._at == len(self._text) and not self._more()

    def _more(self) -> bool:
        if self._next >= self._end or len(self._text) - self._at > _LONGEST_TOKEN:
            return False
        length = min(_WINDOW, self._end - self._next)
        chunk = self._content.read_at(self._next, length)
        self._next += length
        self.pay(length // BYTES_PER_STEP)
        if len(chunk) < length:
            raise _Malformed(f"that ends within its {self._part}")
        try:
            self._utf8.decode(chunk, final=self._next == self._end)
        except UnicodeDecodeError:
            raise _Malformed(f"whose {self._part} is not UTF-8") from None
        self._text, self._at = self._text[self._at :] + chunk, 0
        return True


def _checked(content: Content, length: int, budget: Budget) -> int:
    """Check the header and what it says of the tensors; where they end."""
    if length > HEADER_AT_MOST:
        raise _Malformed("with a header of more than 16 MiB", f"{length} bytes")
    scanner = _Scanner(content, 8, 8 + length, "header", budget)
    begins, ends = array("Q"), array("Q")
    _read_entries(scanner, begins, ends)
    while scanner.take(rb" +"):
        pass
    if not scanner.at_end():
        raise _Malformed("with more than spaces behind the JSON of its header")
    end = 8 + length + _end_of_spans(begins, ends)
    if not content.read_at(end - 1, 1):
        raise _Malformed("that ends before its tensors do", f"they end at byte {end}")
    return end


def _read_entries(scanner: _Scanner, begins: array[int], ends: array[int]) -> None:
    names: set[bytes] = set()
    extents = 0
    if not scanner.take(_OPEN) or scanner.take(_CLOSE):
        return
    while True:
        scanner.pay(STEPS_PER_ENTRY)
        entry = scanner.take(_ENTRY)
        name = _unescaped(entry or scanner.take(_KEY))
        if name in names:
            raise _Malformed("whose header has a name twice", _shown(name))
        if len(names) >= ENTRIES_AT_MOST:
            raise _Malformed("with more than 300000 tensors")
        names.add(name)
        if entry is not None:
            begin, end = _span(entry, name)
            extents += entry[0].count(b",")
            if extents > EXTENTS_AT_MOST:
                raise _Malformed("with more dimensions than any in use has")
            begins.append(begin)
            ends.append(end)
            following = entry[8]
        elif name == b"__metadata__":
            _check_metadata(scanner)
            following = _next(scanner, "behind __metadata__")
        else:
            raise _Malformed("with an entry that is not just dtype, shape and data_offsets", _shown(name))
        if following == b"}":
            return


def _next(scanner: _Scanner, place: str) -> bytes:
    following = scanner.take(_NEXT)
    if following is None:
        raise _Malformed("whose header is not valid JSON", place)
    return following[1]


def _unescaped(match: re.Match[bytes] | None) -> bytes:
    if match is None:
        raise _Malformed("whose header is not valid JSON", "no name stands where one has to")
    name = match[1]
    if b"\\" in name:
        name = json.loads(b'"' + name + b'"').encode()
    if len(name.translate(None, CONTROLS)) < len(name):
        raise _Malformed("whose header has a name with control characters", _shown(name))
    return name


def _shown(name: bytes) -> str:
    return ascii(name[:100].decode("utf-8", "replace"))


def _check_metadata(scanner: _Scanner) -> None:
    keys: set[bytes] = set()
    if not scanner.take(_OPEN):
        raise _Malformed("whose __metadata__ is not strings by name")
    if scanner.take(_CLOSE):
        return
    while True:
        scanner.pay(STEPS_PER_ENTRY)
        key = _unescaped(scanner.take(_KEY))
        if key in keys:
            raise _Malformed("whose __metadata__ has a key twice", _shown(key))
        if len(keys) >= METADATA_AT_MOST:
            raise _Malformed("whose __metadata__ has more than 100000 keys")
        keys.add(key)
        if not scanner.skip_string():
            raise _Malformed("whose __metadata__ is not strings by name", _shown(key))
        if _next(scanner, "in __metadata__") == b"}":
            return


def _span(entry: re.Match[bytes], name: bytes) -> tuple[int, int]:
    """Where a tensor's bytes begin and end, counted from the header's end."""
    fields = {entry[2]: entry[3], entry[4]: entry[5], entry[6]: entry[7]}
    if len(fields) < 3:
        raise _Malformed("with an entry that has a key twice", _shown(name))
    bits = DTYPES.get(fields[b"dtype"].strip(b'"'))
    if bits is None:
        raise _Malformed("with a dtype that the format does not know", _shown(name))
    shape, offsets = _numbers(fields[b"shape"]), _numbers(fields[b"data_offsets"])
    if shape is None or offsets is None or len(offsets) != 2 or len(shape) > DIMENSIONS_AT_MOST:
        raise _Malformed("with an entry whose shape or offsets are no such numbers", _shown(name))
    for extent in shape:
        bits *= extent
        if bits >> 63:
            raise _Malformed("with a shape too large to be one", _shown(name))
    begin, end = offsets
    if bits % 8 or end - begin != bits // 8 or end >> 62:
        raise _Malformed("whose dtype and shape do not give the size of the tensor's bytes", _shown(name))
    return begin, end


def _numbers(text: bytes) -> list[int] | None:
    if not re.fullmatch(_NUMBERS, text):
        return None
    inner = text[1:-1].strip()
    return [int(number) for number in inner.split(b",")] if inner else []


def _end_of_spans(begins: array[int], ends: array[int]) -> int:
    """Where the last tensor ends, if all follow each other; writers keep them in that order."""
    at = 0
    for begin, end in zip(begins, ends, strict=True):
        if begin != at:
            break
        at = end
    else:
        return at
    at = 0
    for span in sorted(begin << 64 | end for begin, end in zip(begins, ends, strict=True)):
        begin = span >> 64
        if begin < at:
            raise _Malformed("with tensors that share bytes", f"at byte {begin} behind the header")
        if begin > at:
            raise _Malformed("with bytes that belong to no tensor", f"{begin - at} bytes, {at} bytes behind the header")
        at = span & (1 << 64) - 1
    return at


def _check_index(scanner: _Scanner) -> None:
    left = VALUES_BESIDE_WEIGHT_MAP_AT_MOST
    has_map = False
    following = scanner.take(_OPEN)
    while following is not None and following.group().strip() != b"}":
        key = scanner.take(_KEY)
        if key is not None and _unescaped(key) == b"weight_map":
            has_map = True
            _check_weight_map(scanner)
        else:
            left = scanner.skip_value(left)
        following = scanner.take(_NEXT)
    if following is None or not has_map:
        raise _Malformed("that does not say in which file each tensor is")


def _check_weight_map(scanner: _Scanner) -> None:
    known: set[bytes] = set()
    if not scanner.take(_OPEN):
        raise _Malformed("whose weight_map is not file names by tensor")
    if scanner.take(_CLOSE):
        return
    for _ in range(ENTRIES_OF_INDEX_AT_MOST):
        scanner.pay(STEPS_PER_PAIR)
        pair = scanner.take(_PAIR)
        if pair is None:
            raise _Malformed("whose weight_map is not file names by tensor")
        if pair[2] not in known:
            known.add(pair[2])
            if len(known) > FILES_OF_INDEX_AT_MOST:
                raise _Malformed("with more than 20000 files")
            scanner.pay(STEPS_PER_ENTRY)
            _check_file_name(json.loads(b'"' + pair[2] + b'"'))
        if pair[3] == b"}":
            return
    raise _Malformed("with more than 500000 tensors")


def _check_file_name(name: str) -> None:
    parts = name.split("/")
    if not set(parts).isdisjoint(("", ".", "..")) or re.search(r"[\\:\x00-\x1f\x7f]", name):
        raise _Malformed("that leads out of the model's folder", ascii(name[:200]))
    if not name.endswith(SUFFIX):
        raise _Malformed("that names a file which is not safetensors", ascii(name[:200]))
