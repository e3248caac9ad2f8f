"""The text of data cards: new ones, and edits that leave everything else as the user wrote it.

A card belongs to its author: comments, order, quotes and line endings stay. Every edit is read back with
the strict loader, and refused unless exactly what was meant has changed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.findings import CannotJudge
from ..core.metadata import load, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

MEDIA_TYPES = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".ndjson": "application/x-ndjson",
    ".xml": "application/xml",
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.file",
    ".feather": "application/vnd.apache.arrow.file",
    ".avro": "application/avro",
    ".orc": "application/vnd.apache.orc",
    ".npy": "application/x-npy",
    ".npz": "application/x-npz",
    ".zip": "application/zip",
    ".gz": "application/gzip",
    ".bz2": "application/x-bzip2",
    ".xz": "application/x-xz",
    ".zst": "application/zstd",
    ".tar": "application/x-tar",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".dvc": "application/yaml",
}
# Words that readers of older YAML take for something else than text.
_WORDS = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))
_PLAIN = re.compile(r"[A-Za-z](?:[A-Za-z0-9_./+()-]| (?=[A-Za-z0-9(]))*\Z")
# What the strict loader, or a reader of other YAML versions, does not take as it is.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_MARKER = re.compile(r"(<{7}|\|{7}|={7}|>{7})(?: .*)?\r?\n?\Z", re.DOTALL)
_ID_LENGTH = 40
# From where a file could be fetched again: these need to say where and when.
FETCHED = ("public-download", "scraped")
_OWED = re.compile(
    rb"# Owed: (?:title|source|license)(?:, (?:source|license))*\. Write them here, or `git custody add`\.\n"
)


class Source(NamedTuple):
    """Where data come from, field by field as in a card; None is left out."""

    kind: str | None
    publisher: str | None
    url: str | None = None
    retrieved: str | None = None
    version: str | None = None
    published: str | None = None


def media_type(path: str) -> str | None:
    """The media type that a file's extension stands for, None for one that is not in `MEDIA_TYPES`."""
    name = path.rpartition("/")[2].lower()
    stem, dot, suffix = name.rpartition(".")
    return MEDIA_TYPES.get(dot + suffix) if stem else None


def propose_id(path: str, taken: Container[str]) -> str:
    """A dataset id for a path that is not among `taken`: its name, or with its folder, or with a number."""
    folder, _, name = path.rstrip("/").rpartition("/")
    stem = name.lstrip(".").partition(".")[0] or name
    short = _slug(stem)
    for proposal in (short, _slug(f"{folder.rpartition('/')[2]}-{stem}")):
        if len(proposal) >= 2 and proposal not in taken:
            return proposal
    base = short if len(short) >= 2 else "dataset"
    if base not in taken:
        return base
    number = 2
    while (proposal := f"{base[: _ID_LENGTH - len(str(number)) - 1].rstrip('-')}-{number}") in taken:
        number += 1
    return proposal


def _slug(text: str) -> str:
    import unicodedata

    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:_ID_LENGTH].rstrip("-")


# ---------------------------------------------------------------------- new cards


def render_card(
    *,
    id: str,
    title: str | None,
    source: Source,
    license: str | None,
    digest: Mapping[str, str],
    bytes: int | None,
    media_type: str | None,
    md5: str | None = None,
    files: int | None = None,
    description: str | None = None,
    language: Sequence[str] = (),
) -> bytes:
    """A new card, fields in the order of the skeleton; None is left out.

    Raises `CannotJudge` for text that is not Unicode.
    """
    said = {
        "kind": source.kind,
        "url": source.url,
        "retrieved": source.retrieved,
        "publisher": source.publisher,
        "version": source.version,
        "published": source.published,
    }
    origin = {key: value for key, value in said.items() if value is not None}
    more: dict[str, Any] = {}
    lines = ["kind: data-card", "version: 1", f"id: {_scalar(id)}"]
    if title is not None:
        more["title"] = title
        lines.append(f"title: {_scalar(title)}")
    if description is not None:
        more["description"] = description
        lines.append(f"description: {_scalar(description)}")
    if language:
        more["language"] = list(language)
        lines.append(f"language: [{', '.join(map(_scalar, language))}]")
    if origin:
        more["source"] = origin
        lines += ["source:", *(f"  {key}: {_scalar(value)}" for key, value in origin.items())]
    if license is not None:
        more["license"] = license
        lines.append(f"license: {_scalar(license)}")
    lines += _content_lines(digest, bytes, media_type, md5, files)
    card = "".join(line + "\n" for line in lines).encode("utf-8")
    content = _content(digest, bytes, media_type, md5, files)
    wanted = {"kind": "data-card", "version": 1, "id": id, **more, "content": content}
    _demand(card, wanted)
    return card


def _scalar(value: str) -> str:
    """A text as YAML that reads back as the same text in every reader."""
    import json

    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise CannotJudge(f"{value!r} is not valid Unicode text, so no card can say it") from None
    if _PLAIN.match(value) and value.lower() not in _WORDS:
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def _content(
    digest: Mapping[str, str], size: int | None, media: str | None, md5: str | None, files: int | None
) -> dict[str, Any]:
    content: dict[str, Any] = {"digest": dict(digest)}
    content |= {} if size is None else {"bytes": size}
    content |= {} if files is None else {"files": files}
    content |= {} if md5 is None else {"md5": md5}
    return content if media is None else {**content, "media_type": media}


def _content_lines(
    digest: Mapping[str, str], size: int | None, media: str | None, md5: str | None, files: int | None
) -> list[str]:
    ((algorithm, digits),) = digest.items()
    lines = ["content:", "  digest:", f"    {algorithm}: {_hexadecimal(digits)}"]
    lines += [] if size is None else [f"  bytes: {size}"]
    lines += [] if files is None else [f"  files: {files}"]
    lines += [] if md5 is None else [f"  md5: {_hexadecimal(md5)}"]
    return lines if media is None else [*lines, f"  media_type: {_scalar(media)}"]


def _hexadecimal(digits: str) -> str:
    # One of decimal digits only, or like 1e5…, would be a number to other readers.
    return digits if re.search("[a-f]", digits) and not re.match(r"[0-9]+e[0-9]+\Z", digits) else f'"{digits}"'


def owed(data: Mapping[str, Any]) -> tuple[str, ...]:
    """What only people or other files can say and a card lacks, in the words of `with_fields`."""
    source = data.get("source")
    origin = source if isinstance(source, dict) else {}
    wanted = ["kind", "publisher", *(("url", "retrieved") if origin.get("kind") in FETCHED else ())]
    return (
        *(() if data.get("title") else ("title",)),
        *(f"source.{name}" for name in wanted if not origin.get(name)),
        *(() if data.get("license") else ("license",)),
    )


def with_owed_line(card: bytes) -> bytes:
    """The card with the comment at its top that says what is owed, where something is."""
    names = list(dict.fromkeys(field.partition(".")[0] for field in owed(fields_of(card))))
    line = f"# Owed: {', '.join(names)}. Write them here, or `git custody add`.\n" if names else ""
    return line.encode("ascii") + card


def with_owed_line_mended(card: bytes) -> bytes:
    """The card with that comment as it is now, or without it once nothing is owed any more."""
    found = _OWED.match(card)
    if found is None:
        return card
    rest = card[found.end() :]
    if not load(card, "data-card").problems:
        return rest
    return with_owed_line(rest) if owed(fields_of(rest)) else card


# ---------------------------------------------------------------------- edits


def with_content(
    card: bytes,
    digest: Mapping[str, str],
    bytes: int | None,
    media_type: str | None,
    md5: str | None = None,
    files: int | None = None,
) -> bytes:
    """The card with what the tool knows of the content; without `media_type` the one that is there stays, and without
    `bytes` that of the same content. `md5` is the one by which git names the content, where it does. A card that left
    the number of files out goes on so.

    Merge conflicts inside of the content are resolved on the way. Raises `CannotJudge`, naming the line, for
    conflicts elsewhere and for cards that cannot be read.
    """
    card = without_conflicts(card)
    before = fields_of(card)
    kept = before.get("content")
    media = media_type
    if media is None and isinstance(kept, dict) and isinstance(kept.get("media_type"), str):
        media = kept["media_type"]
    if isinstance(kept, dict) and "files" not in kept:
        files = None
    size = bytes
    if size is None and isinstance(kept, dict) and kept.get("digest") == digest and type(kept.get("bytes")) is int:
        size = kept["bytes"]
    content = _content(digest, size, media, md5, files)
    if kept == content:
        return card
    wanted = {**before, "content": content}
    text, mark = _decode(card)
    for edit in (_content_in_place, _content_anew):
        changed = edit(text, digest, size, media, md5, files)
        if changed is not None and _data(changed) == wanted:
            return (mark + changed).encode("utf-8")
    raise CannotJudge(
        "the content of this card cannot be rewritten without touching the rest; remove its content field"
    )


def with_id(card: bytes, id: str) -> bytes:
    """The card with another dataset id."""
    return with_fields(card, {"id": id})


def with_fields(card: bytes, fields: Mapping[str, str]) -> bytes:
    """The card with texts set: `fields` maps ``title``, ``source.url`` and so on to values.

    A field that is missing is put after its neighbours. Raises `CannotJudge` when the card cannot be read.
    """
    wanted = fields_of(card)
    text, mark = _decode(card)
    for field, value in fields.items():
        parent, _, key = field.rpartition(".")
        if parent and parent not in wanted:
            wanted = {**wanted, parent: {key: value}}
            text = _with_value(text, [parent], f"{{{key}: {_scalar(value)}}}")
            continue
        if parent and not isinstance(wanted.get(parent), dict):
            raise CannotJudge(f"the card's {parent} is not a group of fields, so {field} cannot be set")
        wanted = {**wanted, parent: {**wanted[parent], key: value}} if parent else {**wanted, key: value}
        if _data(text) == wanted:
            continue
        text = _with_value(text, [*([parent] if parent else []), key], _scalar(value))
    _demand(text.encode("utf-8"), wanted)
    return (mark + text).encode("utf-8")


def with_group(card: bytes, name: str, group: Mapping[str, Any]) -> bytes:
    """The card with a whole group set, of texts, lists of texts and groups of texts; the rest stays as it is.

    Raises `CannotJudge` when the card cannot be read, or the group cannot be written without touching the rest.
    """
    wanted = {**fields_of(card), name: dict(group)}
    text, mark = _decode(card)
    changed = _group_anew(text, name, [f"{name}:", *_group_lines(group)], _flow(group))
    _demand(changed.encode("utf-8"), wanted)
    return (mark + changed).encode("utf-8")


def _group_lines(group: Mapping[str, Any], margin: str = "  ") -> list[str]:
    lines = []
    for key, value in group.items():
        if isinstance(value, dict):
            lines += [f"{margin}{key}:", *_group_lines(value, f"{margin}  ")]
        elif isinstance(value, list):
            lines += [f"{margin}{key}:", *(f"{margin}  - {_scalar(item)}" for item in value)]
        else:
            lines.append(f"{margin}{key}: {_scalar(value)}")
    return lines


def _flow(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(inner)}' for key, inner in value.items())}}}"
    return _scalar(value)


def _decode(card: bytes) -> tuple[str, str]:
    text = card.decode("utf-8")
    bare = text.removeprefix("\ufeff")
    return bare, text[: len(text) - len(bare)]


def _data(text: str) -> Any:
    return parse_yaml(text.encode("utf-8")).data


def fields_of(card: bytes) -> dict[str, Any]:
    """What a card says, valid or not. Raises `CannotJudge`, naming the line, when it cannot be read."""
    document = parse_yaml(card)
    if document.problems:
        problem = document.problems[0]
        raise CannotJudge(f"the card cannot be read: {problem.message}", line=problem.line)
    if not isinstance(document.data, dict):
        raise CannotJudge("the card cannot be read: it holds no fields", line=1)
    return document.data


def _demand(card: bytes, wanted: Mapping[str, Any]) -> None:
    document = parse_yaml(card)
    if document.problems or document.data != wanted:
        raise CannotJudge("the card would not read back as it was meant, so it was left alone; edit it by hand")


def _line_break(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _content_in_place(
    text: str, digest: Mapping[str, str], size: int | None, media: str | None, md5: str | None, files: int | None
) -> str | None:
    """Replace the values one by one, which keeps comments and layout; None when the fields are others."""
    ((algorithm, digits),) = digest.items()
    values = [(["content", "digest", algorithm], digits)]
    if size is not None:
        values.append((["content", "bytes"], str(size)))
    if media is not None:
        values.append((["content", "media_type"], _scalar(media)))
    if md5 is not None:
        values.append((["content", "md5"], _hexadecimal(md5)))
    if files is not None:
        values.append((["content", "files"], str(files)))
    for path, value in values:
        node = _find(_tree(text), path)
        if node is None or node.pairs is not None or node.start == node.end:
            return None
        # The old quotes stay: they do no harm, and a digest may need them.
        quoted = text[node.start] in "\"'" and not value.startswith('"') and path[1] not in ("bytes", "files")
        quote = text[node.start] if quoted else ""
        text = _spliced(text, node, f"{quote}{value}{quote}")
    return text


def _content_anew(
    text: str, digest: Mapping[str, str], size: int | None, media: str | None, md5: str | None, files: int | None
) -> str | None:
    """Write the whole content field anew."""
    lines = _content_lines(digest, size, media, md5, files)
    flow = ", ".join((f"digest: {{{lines[2].strip()}}}", *(line.strip() for line in lines[3:])))
    return _group_anew(text, "content", lines, f"{{{flow}}}")


def _group_anew(text: str, name: str, lines: list[str], flow: str) -> str:
    """Write a whole group anew, or at the end: `lines` where the card is in lines, `flow` where it is in braces."""
    tree = _tree(text)
    pairs = tree.pairs or []
    found = next(((key, value) for key, value in pairs if key.text == name), None)
    ending = _line_break(text)
    if tree.flow:
        if found is None:
            return text[: tree.end - 1].rstrip(" ,") + f", {name}: {flow}" + text[tree.end - 1 :]
        return _spliced(text, found[1], flow)
    if found is None:
        separator = "" if text.endswith("\n") else ending
        return text + separator + "".join(line + ending for line in lines)
    key, value = found
    end = value.end if value.end > key.end else text.find(":", key.end) + 1
    rest = text[end:]
    if value.style in ("|", ">"):
        rest = ending + rest
    return text[: key.start] + ending.join(lines) + rest


def _with_value(text: str, path: list[str], scalar: str) -> str:
    tree = _tree(text)
    node = _find(tree, path)
    if node is not None:
        if node.start == node.end:
            return text[: node.start].rstrip(" ") + " " + scalar + text[node.start :]
        return _spliced(text, node, scalar)
    group = _find(tree, path[:-1])
    if group is None or not group.pairs:
        raise CannotJudge(f"the card has no place for {'.'.join(path)}; add it by hand")
    last_key, last = group.pairs[-1]
    if group.flow:
        return f"{text[: last.end]}, {path[-1]}: {scalar}{text[last.end :]}"
    column = last_key.start - (text.rfind("\n", 0, last_key.start) + 1)
    # After the whole line, because a comment may follow the value.
    line_end = text.find("\n", max(last.end - (last.style in ("|", ">")), last_key.end))
    ending = _line_break(text)
    line = f"{' ' * column}{path[-1]}: {scalar}{ending}"
    return f"{text}{ending}{line}" if line_end < 0 else f"{text[: line_end + 1]}{line}{text[line_end + 1 :]}"


def _spliced(text: str, node: _Node, value: str) -> str:
    ending = _line_break(text) if node.style in ("|", ">") else ""
    return text[: node.start] + value + ending + text[node.end :]


class _Node(NamedTuple):
    """A value and where it stands in the text; `pairs` are those of a mapping, None for anything else."""

    start: int
    end: int
    text: str | None
    style: str | None
    flow: bool
    pairs: list[tuple[_Node, _Node]] | None


def _tree(text: str) -> _Node:
    """Where the values of a card stand; the text has been read by the strict loader before."""
    import yaml

    events = iter(yaml.parse(text, Loader=yaml.SafeLoader))
    try:
        for event in events:
            if type(event).__name__ not in ("StreamStartEvent", "DocumentStartEvent"):
                return _node(event, events)
    except yaml.MarkedYAMLError as error:  # libyaml, which the strict loader asks, lets `title: >#` pass
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise CannotJudge("this value has to be quoted before the card can be edited", line=line) from None
    raise CannotJudge("the card cannot be read: there is nothing in this file", line=1)


def _node(event: Any, events: Iterator[Any]) -> _Node:
    kind = type(event).__name__
    start = event.start_mark.index
    if kind == "ScalarEvent":
        return _Node(start, event.end_mark.index, event.value, event.style, False, None)
    is_map = kind == "MappingStartEvent"
    pairs: list[tuple[_Node, _Node]] = []
    end = event.end_mark.index
    for inner in events:
        if type(inner).__name__ in ("MappingEndEvent", "SequenceEndEvent"):
            # A block ends, says the parser, where the next one begins: its last value knows better.
            end = inner.end_mark.index if event.flow_style else end
            break
        first = _node(inner, events)
        if is_map:
            second = _node(next(events), events)
            pairs.append((first, second))
            end = max(first.end, second.end)
        else:
            end = first.end
    return _Node(start, end, None, None, bool(event.flow_style), pairs if is_map else None)


def _find(node: _Node | None, path: list[str]) -> _Node | None:
    for key in path:
        node = next((value for name, value in (node.pairs if node and node.pairs else ()) if name.text == key), None)
    return node


# ---------------------------------------------------------------------- merge conflicts


def has_conflicts(card: bytes) -> bool:
    """Whether a merge has left its markers in the text."""
    return any(line.startswith((b"<<<<<<< ", b">>>>>>> ")) for line in card.splitlines())


def without_conflicts(card: bytes) -> bytes:
    """The card with every merge conflict in its content decided for our side, to be written anew anyway.

    Raises `CannotJudge`, naming the line, for a conflict that reaches beyond the content.
    """
    if not has_conflicts(card):
        return card
    try:
        lines = card.decode("utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        raise CannotJudge("the card cannot be read: it is not UTF-8") from None
    sides: dict[str, list[str]] = {"ours": [], "theirs": []}
    hunks: list[tuple[int, dict[str, range]]] = []
    side, start, begun = "", 0, {"ours": 0, "theirs": 0}
    for number, line in enumerate(lines, 1):
        marker = _MARKER.match(line)
        sign = marker[1][0] if marker else ""
        if sign == "<" and not side:
            side, start = "ours", number
            begun = {name: len(text) for name, text in sides.items()}
        elif sign == "|" and side == "ours":
            side = "base"
        elif sign == "=" and side in ("ours", "base"):
            side = "theirs"
        elif sign == ">" and side == "theirs":
            hunks.append((start, {name: range(begun[name] + 1, len(text) + 1) for name, text in sides.items()}))
            side = ""
        elif sign in ("<", ">"):
            raise CannotJudge("a merge conflict marker stands here without its others; resolve it by hand", line=number)
        elif side in sides:
            sides[side].append(line)
        elif not side:
            for text in sides.values():
                text.append(line)
    if side:
        raise CannotJudge("a merge conflict begins here and does not end; resolve it by hand", line=start)
    whole = {name: "".join(text) for name, text in sides.items()}
    spans = {name: _content_span(text) for name, text in whole.items()}
    for line_number, parts in hunks:
        for name, lines_of in parts.items():
            if any(number not in spans[name] for number in lines_of):
                raise CannotJudge(
                    "the merge conflict that begins here is not only about the content, which the tool "
                    "writes: resolve it by hand, then run this again",
                    line=line_number,
                )
    rest = [{k: v for k, v in fields_of(text.encode("utf-8")).items() if k != "content"} for text in whole.values()]
    if rest[0] != rest[1]:
        raise CannotJudge("the merge conflict here changes more than the content; resolve it by hand", line=hunks[0][0])
    return whole["ours"].encode("utf-8")


def _content_span(text: str) -> range:
    """The numbers of the lines that the content field takes; empty where that cannot be told."""
    bare = text.removeprefix("\ufeff")
    if parse_yaml(bare.encode("utf-8")).problems:
        return range(0)
    for key, value in _tree(bare).pairs or ():
        if key.text == "content":
            first = bare.count("\n", 0, key.start) + 1
            return range(first, bare.count("\n", 0, max(value.end, key.end)) + 2)
    return range(0)
