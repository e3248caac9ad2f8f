"""What a pickle describes, as inert data: nothing here is ever called, imported or built.

Numbers, texts, tuples and lists are Python's own. Whatever a real unpickler would look up or call is one of these.
"""

from __future__ import annotations

from typing import NamedTuple

from git_custody.core.content import Content


class Global:
    """A name that a pickle looks up."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Global) and (self.module, self.name) == (other.module, other.name)

    def __hash__(self) -> int:
        return hash((self.module, self.name))

    @property
    def dotted(self) -> str:
        """Module and name, as in a program."""
        return f"{self.module}.{self.name}"


class Blob:
    """A long literal, left where it is: bytes, or text in UTF-8 (`is_text`)."""

    __slots__ = ("content", "is_text")

    def __init__(self, content: Content, is_text: bool) -> None:
        self.content = content
        self.is_text = is_text


class OldString(bytes):
    """A string of Python 2, which is text or bytes as its loader likes."""


class Dict:
    """A dict, or a class of `collections` that is one: its pairs in the order of the pickle.

    `kind` is the dotted name, `arguments` what the constructor got besides the pairs, `attributes` what was set on
    the object itself (a state dict has its `_metadata` there).
    """

    __slots__ = ("arguments", "attributes", "kind", "pairs")

    def __init__(self, kind: str = "dict", arguments: tuple[object, ...] = ()) -> None:
        self.kind = kind
        self.arguments = arguments
        self.pairs: list[tuple[object, object]] = []
        self.attributes: object = None


class Items:
    """A set, frozenset or deque: its items in the order of the pickle, and further arguments."""

    __slots__ = ("arguments", "items", "kind")

    def __init__(self, kind: str, items: list[object], arguments: tuple[object, ...] = ()) -> None:
        self.kind = kind
        self.items = items
        self.arguments = arguments


class Record:
    """A value of a class that is nothing but data, by what its constructor got (``torch.Size``, ``datetime``)."""

    __slots__ = ("arguments", "kind")

    def __init__(self, kind: str, arguments: tuple[object, ...]) -> None:
        self.kind = kind
        self.arguments = arguments


class Call:
    """A call that is not understood: what it would call, with what, and what would then be done to the result."""

    __slots__ = ("arguments", "at", "function", "parts")

    def __init__(self, function: object, arguments: object, at: int) -> None:
        self.function = function
        self.arguments = arguments
        self.at = at
        self.parts: list[object] = []


class Unsupported:
    """A value that is understood, and that safetensors cannot hold: `what` it is, and how to save it instead."""

    __slots__ = ("at", "dotted", "how", "what")

    def __init__(self, what: str, how: tuple[str, ...], at: int, dotted: str | None = None) -> None:
        self.what = what
        self.how = how
        self.at = at
        self.dotted = dotted


class Foreign(NamedTuple):
    """What in a pickle is not understood, or cannot be stored, and the byte where it stands."""

    thing: Global | Unsupported
    at: int
