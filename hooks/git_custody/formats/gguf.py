"""GGUF, the format of llama.cpp: metadata by key, then where each tensor's bytes are, then these bytes.

The layout is `docs/gguf.md` of ggml, and what is refused is what `ggml/src/gguf.cpp` of llama.cpp refuses or reads
past. The one thing in it that can run code is the chat template, which is Jinja (CVE-2024-34359). Version 1 had
lengths of 4 bytes. The GGML formats before it are only recognised.
"""

from __future__ import annotations

from collections.abc import Iterator

from git_custody.core.content import Content
from git_custody.formats.cursor import ContentEnds, Cursor, PastLimit, is_cut_short
from git_custody.formats.pointers import is_pointer
from git_custody.formats.verdicts import CODE, MALFORMED, OPAQUE, SAFE, Budget, Member, Said, Scene

ID = "gguf"
MAGIC = b"GGUF"
OLD_MAGICS = (b"lmgg", b"fmgg", b"tjgg", b"algg")
TEMPLATE_KEY = b"tokenizer.chat_template"
NAME_AT_MOST = 65_535
NAMES_AT_MOST = 16 * 1024 * 1024
PAIRS_AT_MOST = 100_000
ITEMS_AT_MOST = 2_000_000
METADATA_AT_MOST = 256 * 1024 * 1024
TENSORS_AT_MOST = 100_000
DEPTH_OF_ARRAYS_AT_MOST = 4
COST_OF_NESTED = 10
ITEMS_PER_STEP = 4
STEPS_PER_PAIR, STEPS_PER_TENSOR = 3, 6
TRAILER_READ_AT_MOST = 65_536

STRING, ARRAY, UINT32 = 8, 9, 4
VALUE_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

# Elements and bytes per block of the types of ggml.h; of others, the tensor's length is not known.
BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34)}
BLOCKS |= {10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292)}
BLOCKS |= {16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82)}
BLOCKS |= {23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2)}
BLOCKS |= {34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18), 42: (64, 18)}


class _Malformed(Exception):
    """The words that complete "a GGUF model ...", and what stands where."""

    def __init__(self, what: str, evidence: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.evidence = evidence


class _TooMuch(Exception):
    """More than is looked at: in words that complete "a GGUF model with more than ..."."""


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Check the structure of a GGUF model, and its chat templates."""
    head = scene.head
    if head[:4] in OLD_MAGICS:
        if len(head) >= 32 and head[7] == 0:
            yield Said(SAFE, "ggml", "a model in a GGML format from before GGUF")
        return
    if not _is_gguf(head):
        if scene.name.lower().endswith(".gguf") and not is_pointer(head):
            yield Said(MALFORMED, ID, "named .gguf and is not one")
        return
    model = _Model(scene.content, scene.budget)
    trouble: Said | None = None
    try:
        model.read()
    except _Malformed as flaw:
        trouble = Said(MALFORMED, ID, f"a GGUF model {flaw.what}", evidence=flaw.evidence)
    except ContentEnds:
        if not is_cut_short(scene.content):
            trouble = Said(MALFORMED, ID, "a GGUF model that ends before its data do")
    except PastLimit:
        trouble = Said(OPAQUE, ID, "a GGUF model with more than 256 MiB of metadata", forced=True)
    except _TooMuch as most:
        trouble = Said(OPAQUE, ID, f"a GGUF model with more than {most}", forced=True)
    dangerous = list(_of_templates(model.templates, scene.budget))
    yield from dangerous
    if trouble is not None:
        yield trouble
    elif not dangerous and not is_cut_short(scene.content):
        yield Said(SAFE, ID, "a GGUF model")
    if model.trailer is not None:
        yield Member("bytes behind the tensors", scene.behind(model.trailer))


def _is_gguf(head: bytes) -> bool:
    """Whether a version follows the mark: a text may begin with the four letters, too."""
    return head[:4] == MAGIC and b"\0\0" in (head[4:6], head[6:8])


def _of_templates(templates: list[tuple[str, str]], budget: Budget) -> Iterator[Said]:
    if not templates:
        return
    from git_custody.formats.chat_templates import Judge

    judge = Judge(budget)
    for key, template in templates:
        judged = judge(template)
        if judged is not None and judged.kind in (CODE, OPAQUE):
            what = f"a GGUF model with a chat template that {judged.says}"
            evidence = f"{key}: {judged.evidence}" if judged.evidence else key
            yield Said(judged.kind, ID, what, judged.calls, evidence, judged.forced)


class _Model:
    """What is read of a model: its chat templates, and where its tensors end if something follows them."""

    def __init__(self, content: Content, budget: Budget) -> None:
        self.templates: list[tuple[str, str]] = []
        self.trailer: int | None = None
        self._content = content
        self._budget = budget
        self._cursor = Cursor(content, 4, METADATA_AT_MOST)
        self._width = 8
        self._alignment = 32
        self._items = 0
        self._names = 0

    def read(self) -> None:
        cursor = self._cursor
        version = cursor.unsigned(4)
        if version & 0xFFFF == 0:
            cursor.order = "big"
            version = int.from_bytes(version.to_bytes(4, "little"), "big")
        if not 1 <= version <= 3:
            raise _Malformed("of a version that is not known", f"version {version}")
        if version == 1:
            self._width = 4
        tensors, pairs = cursor.unsigned(self._width), cursor.unsigned(self._width)
        self._read_pairs(pairs)
        self._read_tensors(tensors)

    def _read_pairs(self, count: int) -> None:
        keys: set[bytes] = set()
        for _ in range(count):
            if len(keys) >= PAIRS_AT_MOST:
                raise _TooMuch(f"{PAIRS_AT_MOST} metadata keys")
            self._pay(STEPS_PER_PAIR)
            key = self._string("a metadata key")
            if not key or key in keys:
                raise _Malformed("with a metadata key twice" if key else "with an empty metadata key", _shown(key))
            keys.add(key)
            self._read_value(key)

    def _read_value(self, key: bytes) -> None:
        cursor = self._cursor
        kind = cursor.unsigned(4)
        if key == b"general.alignment":
            if kind != UINT32:
                raise _Malformed("whose general.alignment is no 32-bit number")
            self._alignment = cursor.unsigned(4)
            if self._alignment == 0 or self._alignment & (self._alignment - 1):
                raise _Malformed("whose general.alignment is no power of two", str(self._alignment))
        elif kind == STRING:
            self._read_string(key)
        elif kind == ARRAY:
            self._skip_array(1)
        elif kind in VALUE_SIZES:
            cursor.skip(VALUE_SIZES[kind])
        else:
            raise _Malformed("with a metadata value of a type that is not known", f"{_shown(key)}: type {kind}")

    def _read_string(self, key: bytes) -> None:
        length = self._cursor.unsigned(self._width)
        if not key.startswith(TEMPLATE_KEY):
            self._cursor.skip(length)
            return
        from git_custody.formats.chat_templates import TEMPLATES_AT_MOST, TEXT_AT_MOST

        if len(self.templates) >= TEMPLATES_AT_MOST:
            raise _TooMuch(f"{TEMPLATES_AT_MOST} chat templates")
        text = self._cursor.take(min(length, TEXT_AT_MOST + 1))
        self._cursor.skip(length - len(text))
        self.templates.append((key[:100].decode("ascii", "replace"), text.decode("utf-8", "replace")))

    def _skip_array(self, depth: int) -> None:
        cursor = self._cursor
        kind = cursor.unsigned(4)
        count = cursor.unsigned(self._width)
        if kind in VALUE_SIZES:
            cursor.skip(count * VALUE_SIZES[kind])
            return
        cost = count if kind == STRING else count * COST_OF_NESTED
        self._items += cost
        if self._items > ITEMS_AT_MOST:
            if not self._content.read_at(cursor.at + count * self._width - 1, 1):
                raise ContentEnds
            raise _TooMuch(f"{ITEMS_AT_MOST} strings in its metadata")
        self._pay(cost // ITEMS_PER_STEP)
        if kind == STRING:
            cursor.skip_strings(count, self._width)
        elif kind == ARRAY and depth < DEPTH_OF_ARRAYS_AT_MOST:
            for _ in range(count):
                self._skip_array(depth + 1)
        else:
            raise _Malformed("with a metadata array of a type that is not known", f"type {kind}")

    def _pay(self, steps: int) -> None:
        self._budget.steps -= steps
        if self._budget.steps < 0:
            raise _TooMuch("can be looked at")

    def _string(self, what: str) -> bytes:
        length = self._cursor.unsigned(self._width)
        if length > NAME_AT_MOST:
            raise _Malformed(f"with {what} of more than {NAME_AT_MOST} bytes")
        self._names += length
        if self._names > NAMES_AT_MOST:
            raise _TooMuch("16 MiB of names")
        return self._cursor.take(length)

    def _read_tensors(self, count: int) -> None:
        names: set[bytes] = set()
        spans: list[tuple[int, int | None]] = []
        for _ in range(count):
            if len(names) >= TENSORS_AT_MOST:
                raise _TooMuch(f"{TENSORS_AT_MOST} tensors")
            self._pay(STEPS_PER_TENSOR)
            name = self._string("the name of a tensor")
            if name in names:
                raise _Malformed("that names a tensor twice", _shown(name))
            names.add(name)
            spans.append(self._span(name))
        self._check_spans(self._padded(self._cursor.at) if spans else self._cursor.at, spans)

    def _span(self, name: bytes) -> tuple[int, int | None]:
        """A tensor's offset behind the metadata and its length, None where its type is not known."""
        cursor = self._cursor
        dimensions = cursor.unsigned(4)
        if dimensions > 4:
            raise _Malformed("with a tensor of more than 4 dimensions", _shown(name))
        extents = [cursor.unsigned(self._width) for _ in range(dimensions)]
        kind, offset = cursor.unsigned(4), cursor.unsigned(8)
        if offset % self._alignment or offset >> 62:
            raise _Malformed("with a tensor at an offset that is not aligned", f"{_shown(name)} at {offset}")
        elements = 1
        for extent in extents:
            elements *= extent
        if elements >> 62:
            raise _Malformed("with a tensor too large to be one", _shown(name))
        if kind not in BLOCKS:
            return offset, None
        per_block, length = BLOCKS[kind]
        if (extents[0] if extents else 1) % per_block:
            raise _Malformed("with a tensor whose rows are no whole blocks of its type", _shown(name))
        return offset, elements // per_block * length

    def _check_spans(self, begin: int, spans: list[tuple[int, int | None]]) -> None:
        spans.sort(key=lambda span: (span[0], span[1] or 0))
        at: int | None = 0  # None: behind a tensor of unknown length
        end = begin
        for offset, length in spans:
            if at is not None and offset < at:
                raise _Malformed("with tensors that share bytes", f"at byte {begin + offset}")
            if at is not None and offset > at:
                raise _Malformed("with bytes that belong to no tensor", f"from byte {begin + at} to {begin + offset}")
            end = begin + offset + (length or 0)
            at = None if length is None else self._padded(offset + length)
        if not self._content.read_at(end - 1, 1):
            raise ContentEnds
        if at is not None:
            self._check_trailer(begin + at)

    def _check_trailer(self, end: int) -> None:
        if self._content.read_at(end, TRAILER_READ_AT_MOST).strip(b"\0"):
            self.trailer = end
            raise _Malformed("with bytes behind its tensors", f"from byte {end}")

    def _padded(self, size: int) -> int:
        return size + -size % self._alignment


def _shown(name: bytes) -> str:
    return ascii(name[:100].decode("utf-8", "replace"))
