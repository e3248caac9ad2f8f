"""YOLO's models in YAML, whose reader evaluates some of the texts in them as Python.

`parse_model` of Ultralytics (``ultralytics/nn/tasks.py``) evaluates ``activation``, that of YOLOv5 to YOLOv9
(``models/yolo.py``) also what stands in the lists of ``backbone`` and ``head``. Ordinary ones name classes of
`torch.nn`, and call nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from git_custody.formats.verdicts import CODE, Budget, Said, Scene
from git_custody.formats.yaml_events import BreaksOffError, events
from git_custody.formats.yaml_tags import RUNNING_BUILTINS

if TYPE_CHECKING:
    import ast

ID = "yolo"
PARSED_AT_MOST = 1024 * 1024
TEXT_AT_MOST = 4096
STEPS_PER_TEXT, LETTERS_PER_STEP = 20, 2  # that is parsed
PARTS = (b"backbone", b"head")
KEYS = ("backbone", "head")
EVALUATED = "activation"
# How a key may be written where a text is in double quotes.
ESCAPES = (b"\\x", b"\\u", b"\\U", b"\\\n", b"\\\r")
MODULES = ("torch", "nn", "modules", "activation")


def inspect(scene: Scene) -> Iterator[Said]:
    """Look for a text that would call something else than a class of `torch.nn`."""
    data = scene.content.read_at(0, PARSED_AT_MOST)
    plain = data.replace(b"\0", b"")  # UTF-16
    if not all(part in plain for part in PARTS) and not any(escape in plain for escape in ESCAPES):
        return
    for text in dict.fromkeys(_evaluated(data, scene.budget)):
        if "(" not in text or len(text) > TEXT_AT_MOST:
            continue
        scene.budget.steps -= STEPS_PER_TEXT + len(text) // LETTERS_PER_STEP
        if scene.budget.steps < 0:
            return
        called = _called(text)
        if called is not None:
            what = "a YOLO model with a text that its reader evaluates as Python"
            yield Said(CODE, ID, what, called if "an expression" not in called else None, text[:200])
            return


def _evaluated(data: bytes, budget: Budget) -> list[str]:
    """The texts in lists and behind the key of a mapping with both parts of a model; none of another file."""
    import yaml

    texts: list[str] = []
    anchors: dict[str, str] = {}
    tops: set[str] = set()
    keys: list[str | None] = []  # per open mapping or list: as in `hydra.targets`
    try:
        for event in events(data, budget):
            if isinstance(event, yaml.CollectionEndEvent):
                keys.pop()
                continue
            if not isinstance(event, yaml.NodeEvent):
                continue
            text = event.value if isinstance(event, yaml.ScalarEvent) else None
            if text is not None and event.anchor:
                anchors[event.anchor] = text
            elif isinstance(event, yaml.AliasEvent):
                text = anchors.get(event.anchor or "", "")
            key = keys[-1] if keys else None
            if key == "" and text is not None:
                keys[-1] = text or " "
                if len(keys) == 1:
                    tops.add(text)
            else:
                if text is not None and keys and key in (None, EVALUATED):
                    texts.append(text)
                if key:
                    keys[-1] = ""
            if isinstance(event, yaml.CollectionStartEvent):
                keys.append("" if isinstance(event, yaml.MappingStartEvent) else None)
    except BreaksOffError:
        return []
    return texts if tops.issuperset(KEYS) else []


def _called(text: str) -> str | None:
    """What a text that calls something gets at beside classes of `torch.nn`."""
    import ast
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return next((_name(node) for node in ast.walk(tree) if _runs(node)), None)


def _runs(node: ast.AST) -> bool:
    """Whether it calls, or gets at, what is no class of `torch.nn`; a plain name is one of the reader's own."""
    import ast

    if isinstance(node, ast.Call):
        return not isinstance(node.func, (ast.Name, ast.Attribute))
    if isinstance(node, ast.Attribute):
        is_class = node.attr in MODULES or node.attr[:1].isupper()
        return not (is_class and (isinstance(node.value, ast.Attribute) or _name(node.value) in MODULES))
    return isinstance(node, ast.Name) and (node.id in RUNNING_BUILTINS or node.id.startswith("__"))


def _name(node: ast.AST) -> str:
    import ast

    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "an expression")
    return ".".join(reversed(parts))
