"""Chat templates: Jinja that a model brings along, judged by its syntax tree and never rendered.

Loaders render them with every conversation: transformers from `tokenizer_config.json`, `chat_template.json`,
`processor_config.json`, `chat_template.jinja` and `additional_chat_templates/`, llama-cpp-python and others from
GGUF metadata, text-generation-webui from YAML. Outside of a sandbox, or in one with a hole (CVE-2024-34359,
CVE-2025-27516), a template that gets at Python's internals runs any code. Ordinary ones read what they are given by
its name, and never need these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from git_custody.core.content import Content
from git_custody.formats.verdicts import CODE, MALFORMED, OPAQUE, Budget, Member, Said, Scene
from git_custody.formats.yaml_values import yaml_values

if TYPE_CHECKING:
    from git_custody.formats.jinja_tree import Judged

ID = "chat-template"
JINJA = (".jinja", ".jinja2", ".j2", ".template")
YAML = (".yaml", ".yml")
CONFIGURATIONS = ("tokenizer_config.json", "chat_template.json", "processor_config.json")
TEXT_AT_MOST = 96 * 1024  # the longest of some 800 that are in use has 45 KB
STEPS_PER_TOKEN = 10
TOKEN = re.compile(r"\w+|[^\w\s]")
TEMPLATES_AT_MOST = 64
FIRST_READ = 16 * 1024
VALUE_AT_MOST = 1024 * 1024
BYTES_PER_STEP = 64
LETTERS_PER_STEP = 8  # of a template
STEPS_PER_SCALAR, LETTERS_OF_SCALAR_PER_STEP = 1_500, 4
BACKSLASHES_PER_STEP = 8
JSON_AT_MOST = 32 * 1024 * 1024
FINDINGS_AT_MOST = 5
_WINDOW = 1024 * 1024
_KEY_AT_MOST = 1024
# What even templates of web pages and documents never name.
_NEVER_ORDINARY = rb"__(?:globals|builtins|import|subclasses)__"
_YAML_HINT = rb"\\(?:x|u00|u000000)(?:5f|[67][0-9a-f])"
_YAML_KEY = (
    r"^([ \t]{0,64}(?:-[ \t]{1,8}){0,8})([\"']?)[\w-]{0,64}(?:chat|instruction)_template[\w-]{0,64}\2"
    r"[ \t]{0,64}:[ \t]{0,64}"
)


class Judge:
    """Judges the templates of one file, each text once, up to `TEXT_AT_MOST` characters in all."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._seen: set[str] = set()
        self._left = TEXT_AT_MOST

    def __call__(self, template: str) -> Judged | None:
        """Judge a template; None means that it reads what it is given, or has been judged before."""
        from git_custody.formats.jinja_tree import DUNDERS, Judged, judged

        if template in self._seen:
            return None
        self._left -= len(template)
        if self._left < 0 or not _afford(template, self._budget):
            return Judged(OPAQUE, "is too long to be looked into", forced=True)
        self._seen.add(template)
        found = judged(template)
        if found is not None and found.kind == MALFORMED and re.search(DUNDERS, template):
            return Judged(CODE, "does not parse, and names internals of Python", found.evidence)
        return found


def _afford(template: str, budget: Budget) -> bool:
    """Take from the budget what it costs to judge a template; whether that was left."""
    budget.steps -= STEPS_PER_TOKEN * sum(1 for _ in TOKEN.finditer(template)) + len(template) // LETTERS_PER_STEP
    return budget.steps >= 0


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Judge the templates in a JSON file, or the one that a file's name says it is."""
    name = scene.name.lower().replace("\\", "/")
    if name.endswith(JINJA):
        yield from _of_file(scene, is_template_name(name))
    elif name.endswith(YAML):
        yield from _of_yaml(scene)
    elif scene.head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")[:1] in (b"{", b""):
        yield from _of_json(scene, name.endswith(CONFIGURATIONS))


def is_template_name(name: str) -> bool:
    """Whether transformers, or who else follows it, takes a file of this path (in lower case) for a template."""
    folders, _, base = name.rpartition("/")
    return re.search(r"chat[_-]?template", base) is not None or folders.endswith("additional_chat_templates")


def _of_file(scene: Scene, is_chat_template: bool) -> Iterator[Said]:
    raw = scene.content.read_at(0, 4 * TEXT_AT_MOST + 1)
    scene.budget.steps -= len(raw) // BYTES_PER_STEP
    text = raw.decode("utf-8", "replace")
    if is_chat_template:
        found = Judge(scene.budget)(text)
    elif re.search(_NEVER_ORDINARY, raw) and len(text) <= TEXT_AT_MOST and _afford(text, scene.budget):
        from git_custody.formats.jinja_tree import judged

        found = judged(text)
    else:
        return
    if found is not None and (is_chat_template or found.kind == CODE):
        what = "a chat template" if is_chat_template else "a Jinja template"
        yield Said(found.kind, ID, f"{what} that {found.says}", found.calls, found.evidence, found.forced)


def _of_yaml(scene: Scene) -> Iterator[Said]:
    """Judge what stands behind keys such as "chat_template": as libyaml reads it, and by lines and quotes, because what
    has templates of another kind around it does not parse.
    """
    raw = scene.content.read_at(0, VALUE_AT_MOST)
    lowered = raw.replace(b"\0", b"").lower()
    scene.budget.steps -= lowered.count(b"\\") // BACKSLASHES_PER_STEP
    if b"_template" not in lowered and not re.search(_YAML_HINT, lowered):
        return
    scene.budget.steps -= len(raw) // BYTES_PER_STEP
    text = raw.decode("utf-8", "replace")
    values = yaml_values(raw, scene.budget)
    by_lines = islice(re.finditer(_YAML_KEY, text, re.MULTILINE), TEMPLATES_AT_MOST)
    scalars = (_yaml_scalar(text, m.end(), len(m[1]), scene.budget) for m in by_lines if scene.budget.steps >= 0)
    for templates, is_sure in ((values, True), (scalars, False)):
        judge = Judge(scene.budget)
        for found in map(judge, templates):
            if found is not None and (found.kind == CODE or (found.forced and is_sure)):
                what = f"a YAML file with a chat template that {found.says}"
                yield Said(found.kind, ID, what, found.calls, found.evidence, found.forced)
                return


def _yaml_scalar(text: str, at: int, indentation: int, budget: Budget) -> str:
    """The scalar that begins at `at`: in quotes, or the lines that are indented further than its key."""
    scalar = _scalar_at(text, at, indentation)
    budget.steps -= STEPS_PER_SCALAR + len(scalar) // LETTERS_OF_SCALAR_PER_STEP
    return scalar


def _scalar_at(text: str, at: int, indentation: int) -> str:
    quote = text[at : at + 1]
    if quote == "'":
        quoted = re.compile(r"[^']*(?:''[^']*){0,20000}").match(text, at + 1)
        return quoted[0].replace("''", "'") if quoted else ""
    if quote == '"':
        quoted = re.compile(r'[^"\\]*(?:\\.[^"\\]*){0,20000}', re.DOTALL).match(text, at + 1)
        escapes = {"n": "\n", "t": "\t", "\n": ""}
        return re.sub(r"\\(.)", lambda m: escapes.get(m[1], m[1]), quoted[0], flags=re.DOTALL) if quoted else ""
    lines = text[at : at + TEXT_AT_MOST].split("\n")
    kept = lines[:1]
    for line in lines[1:]:
        if line.strip() and len(line) - len(line.lstrip(" ")) <= indentation:
            break
        kept.append(line)
    return "\n".join(kept)


def _of_json(scene: Scene, must_be_looked_into: bool) -> Iterator[Said]:
    """Judge what stands behind each key "chat_template": a template, or several in lists and dictionaries."""
    content = scene.content
    judge = Judge(scene.budget)
    said = count = 0
    for at in _places_of_key(content):
        if scene.budget.steps < 0:
            return
        values = _strings_at(scene, at)
        for template in values if values is not None else ():
            count += 1
            found = judge(template) if count <= TEMPLATES_AT_MOST else None
            if found is not None and (found.kind == CODE or (found.kind == OPAQUE and must_be_looked_into)):
                what = f"a JSON file with a chat template that {found.says}"
                yield Said(found.kind, ID, what, found.calls, found.evidence, found.forced)
                said += 1
        if must_be_looked_into and (values is None or count > TEMPLATES_AT_MOST):
            yield Said(OPAQUE, ID, "a JSON file with more chat templates than can be looked into", forced=True)
            return
        if said >= FINDINGS_AT_MOST or count > TEMPLATES_AT_MOST:
            return
    if must_be_looked_into and content.read_at(JSON_AT_MOST, 1):
        yield Said(OPAQUE, ID, "the configuration of a tokenizer with more than 32 MiB", forced=True)


def _places_of_key(content: Content) -> Iterator[int]:
    """Where in the first 32 MiB a string "chat_template" ends, however it is escaped."""
    window, start = b"", 0
    while start + len(window) < JSON_AT_MOST:
        chunk = content.read_at(start + len(window), _WINDOW)
        if not chunk:
            return
        window += chunk
        for end in _ends_of_key(window):
            yield start + end
        kept = window[-_KEY_AT_MOST:]
        # What ends in this window must not be found again in the next one.
        kept = kept[max(_ends_of_key(kept), default=0) :]
        start += len(window) - len(kept)
        window = kept


def _ends_of_key(window: bytes) -> Iterator[int]:
    """Where keys end that have "chat_template" in them. Letters of ASCII are only escaped by who hides them."""
    letter, name = rb"[\w-]", b"chat_template"
    if re.search(rb"\\u00(?:6[1358cCdD]|7[04]|5[fF])", window):
        letter = rb"(?:[\w-]|\\u00[0-9a-fA-F]{2})"
        name = b"".join(b"(?:%c|\\\\u00(?i:%02x))" % (byte, byte) for byte in name)
    elif name not in window:
        return
    for match in re.finditer(b'"%b{0,64}%b%b{0,64}"' % (letter, name, letter), window):
        yield match.end()


def _strings_at(scene: Scene, at: int) -> list[str] | None:
    """The strings in the value behind a key that ends at `at`; None where there is more than can be read."""
    raw = scene.content.read_at(at, FIRST_READ)
    strings = _strings_in(raw, scene.budget)
    if strings is None and len(raw) == FIRST_READ and scene.budget.steps >= 0:
        strings = _strings_in(scene.content.read_at(at, VALUE_AT_MOST), scene.budget)
    return strings


def _strings_in(raw: bytes, budget: Budget) -> list[str] | None:
    import json

    budget.steps -= len(raw) // BYTES_PER_STEP
    stripped = raw.lstrip(b" \t\r\n")
    if stripped[:1] != b":":
        return [] if stripped else None
    text = stripped[1:].decode("utf-8", "replace").lstrip(" \t\r\n")
    try:
        value: Any = json.JSONDecoder(strict=False).raw_decode(text)[0]
    except RecursionError:
        return None
    except ValueError:
        return None if len(raw) in (FIRST_READ, VALUE_AT_MOST) else []
    strings, left = [], [value]
    while left:
        value = left.pop()
        if isinstance(value, str):
            strings.append(value)
        elif isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list):
            left += value
    return [text for text in strings if "{{" in text or "{%" in text]
