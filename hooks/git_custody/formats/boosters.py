"""Models of gradient boosters: XGBoost (JSON, UBJSON and the binary format it no longer reads), LightGBM, CatBoost.

None of them holds code: trees are numbers, and objectives are names. The layouts are those of XGBoost's
`doc/contrib` and `src/common/json.cc` (UBJSON draft 12), LightGBM's `src/boosting/gbdt_model_text.cpp`, and CatBoost's
`catboost/libs/model/model.cpp`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from git_custody.core.content import Content
from git_custody.formats.cursor import ContentEnds, Cursor, is_cut_short
from git_custody.formats.pointers import is_pointer
from git_custody.formats.verdicts import MALFORMED, SAFE, Budget, Member, Said, Scene

UBJ, CBM = "xgboost-ubj", "catboost"
VALUES_AT_MOST = 250_000
STEPS_PER_VALUE = 3
DEPTH_AT_MOST = 64
KEY_AT_MOST = 65_536
_NO_LIMIT = 1 << 62
_TAIL = 1024

# UBJSON: the markers of values of fixed length, and of the integers that lengths are.
SIZES = {b"Z": 0, b"N": 0, b"T": 0, b"F": 0, b"C": 1, b"i": 1, b"U": 1, b"I": 2, b"l": 4, b"L": 8, b"d": 4, b"D": 8}
LENGTHS = {b"i": 1, b"U": 1, b"I": 2, b"l": 4, b"L": 8}


class _NotUbjson(Exception):
    """The content is no UBJSON."""


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Tell the models of gradient boosters."""
    head = scene.head
    if head.startswith(b"CBM1"):
        yield _of_catboost(scene.content, head)
    elif head.startswith((b"tree\nversion=", b"tree\r\nversion=")):
        if b"num_class=" in head:
            yield Said(SAFE, "lightgbm", "a LightGBM model")
    elif head.startswith(b"binf"):
        if _is_binary_xgboost(head):
            yield Said(SAFE, "xgboost-binary", "an XGBoost model in its old binary format")
    elif head.startswith(b"bs64\t"):
        if re.fullmatch(rb"[A-Za-z0-9+/]{64}", head[5:69]):
            yield Said(SAFE, "xgboost-binary", "an XGBoost model in its old binary format, as text")
    elif head[:1] == b"{":
        yield from _of_json(scene.content, head)
        yield from _of_ubjson(scene)
    else:
        yield from _named(scene)


def _named(scene: Scene) -> Iterator[Said]:
    name = scene.name.lower()
    for suffix, known in ((".ubj", UBJ), (".cbm", CBM)):
        if name.endswith(suffix) and not is_pointer(scene.head):
            yield Said(MALFORMED, known, f"named {suffix} and is not one")


def _of_catboost(content: Content, head: bytes) -> Said:
    """After the mark: the length of the model proper, and the model, a flatbuffer."""
    length = int.from_bytes(head[4:8], "little")
    if length < 8 or not (content.read_at(8 + length - 1, 1) or is_cut_short(content)):
        return Said(MALFORMED, CBM, "a CatBoost model that ends before its data do")
    return Said(SAFE, CBM, "a CatBoost model")


def _is_binary_xgboost(head: bytes) -> bool:
    """After the mark: 136 bytes of parameters, then the names of the objective and of the booster by their lengths."""
    at = 4 + 136
    for names in (rb"[a-z_]+:?[a-z_0-9]*", rb"gbtree|gblinear|dart"):
        length = int.from_bytes(head[at : at + 8], "little")
        if length > 64 or not re.fullmatch(names, head[at + 8 : at + 8 + length]):
            return False
        at += 8 + length
    return True


def _of_json(content: Content, head: bytes) -> Iterator[Said]:
    """Both write few keys at the top, and in order: the first is in the head, the last in the tail."""
    if re.match(rb'\{\s*"(?:learner"\s*:\s*\{|version"\s*:\s*\[)', head):
        tail = _tail(content)
        version = rb'"version"\s*:\s*\[\s*\d+\s*,\s*\d+\s*,\s*\d+\s*\]\s*'
        ends_with_version = re.search(version + rb"\}\s*$", tail) is not None
        begins_with_version = re.match(rb"\{\s*" + version + rb',\s*"learner"', head) is not None
        if ends_with_version or (begins_with_version and re.search(rb"\}\s*\}\s*$", tail)):
            yield Said(SAFE, "xgboost-json", "an XGBoost model")
    elif re.match(rb'\{\s*"(?:ctr_data|features_info|model_info|oblivious_trees|trees)"\s*:', head):
        tail = _tail(content).rstrip()
        behind_braces = re.split(rb"[{}]", tail[:-1])[-1]
        if tail.endswith(b"}") and re.search(rb'"scale_and_bias"\s*:\s*\[', behind_braces):
            yield Said(SAFE, CBM, "a CatBoost model in JSON")


def _tail(content: Content) -> bytes:
    return content.read_at(max(0, content.size - _TAIL), _TAIL)


def _of_ubjson(scene: Scene) -> Iterator[Said]:
    named = scene.name.lower().endswith(".ubj")
    if not named and not re.match(rb"\{[iUIlL]\0*[\x07\x08](?:learner|version)", scene.head):
        return
    cursor = Cursor(scene.content, 0, _NO_LIMIT)
    cursor.order = "big"
    try:
        has_learner = _has_learner(cursor, scene.budget)
        if not scene.content.read_at(cursor.at - 1, 1):
            raise ContentEnds
    except (_NotUbjson, ContentEnds):
        if named and not is_cut_short(scene.content):
            yield Said(MALFORMED, UBJ, "named .ubj and is not valid UBJSON")
        return
    if has_learner:
        yield Said(SAFE, UBJ, "an XGBoost model")


def _has_learner(cursor: Cursor, budget: Budget) -> bool:
    """Walk the object that begins here to its end; whether it has that key. After many values, believe the rest."""
    found = False
    if cursor.take(1) != b"{":
        raise _NotUbjson
    # For each open container: whether it is an object, and how many values are left (-1: an end marker follows them).
    open_ones: list[list[int]] = [[1, -1]]
    for _ in range(VALUES_AT_MOST):
        budget.steps -= STEPS_PER_VALUE
        if budget.steps < 0:
            break
        innermost = open_ones[-1]
        is_object, left = innermost
        marker = cursor.take(1) if left else b""
        if not left or (left < 0 and marker == (b"}" if is_object else b"]")):
            open_ones.pop()
            if not open_ones:
                return found
            continue
        if left > 0:
            innermost[1] -= 1
        if is_object:
            key = cursor.take(_length(cursor, marker, KEY_AT_MOST))
            found = found or (len(open_ones) == 1 and key == b"learner")
            marker = cursor.take(1)
        if marker in (b"{", b"["):
            opened = _opened(cursor, marker)
            if opened is not None:
                open_ones.append(opened)
                if len(open_ones) > DEPTH_AT_MOST:
                    raise _NotUbjson
        elif marker in SIZES:
            cursor.skip(SIZES[marker])
        elif marker in (b"S", b"H"):
            cursor.skip(_length(cursor, cursor.take(1), _NO_LIMIT))
        else:
            raise _NotUbjson
    return found


def _length(cursor: Cursor, marker: bytes, most: int) -> int:
    if marker not in LENGTHS:
        raise _NotUbjson
    size = LENGTHS[marker]
    length = cursor.unsigned(size)
    if length > most or (marker != b"U" and length >> (8 * size - 1)):
        raise _NotUbjson
    return length


def _opened(cursor: Cursor, marker: bytes) -> list[int] | None:
    """The container that was opened; None where its values, all of one type, have been skipped."""
    kind = b""
    is_object = int(marker == b"{")
    following = cursor.take(1)
    if following == b"$":
        kind, following = cursor.take(1), cursor.take(1)
        if following != b"#" or is_object or kind not in SIZES:
            raise _NotUbjson
    if following != b"#":
        cursor.skip(-1)
        return [is_object, -1]
    count = _length(cursor, cursor.take(1), _NO_LIMIT)
    if kind:
        cursor.skip(count * SIZES[kind])
        return None
    return [is_object, count]
