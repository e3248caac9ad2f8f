"""What a Jinja template could do, by its syntax tree: does it get at Python's internals? It is never rendered.

Everything that has been found to lead from a template to code passes through names such as `__class__`,
`__globals__` or `gi_frame`: written out, escaped, put together from pieces, or taken from somewhere. Written out and
put together from constants they count wherever they stand. For the rest, two things have to come together that no
ordinary template has: a lookup by a name that it makes up itself, and a call of something that is no macro, no
function that templates are given, and no common method.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from git_custody.formats.verdicts import CODE, MALFORMED, OPAQUE

if TYPE_CHECKING:
    from jinja2 import Environment, nodes
    from jinja2.parser import Parser

ROUNDS_AT_MOST = 8


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Attributes of functions, generators, frames and code that lead to every module (jinja2.sandbox lists them, too).
INTERNAL = _words(
    "mro gi_frame gi_code gi_yieldfrom cr_frame cr_code cr_await cr_origin ag_frame ag_code ag_await f_back f_builtins"
    " f_code f_globals f_locals f_trace tb_frame tb_next co_code co_consts co_names func_globals func_code func_closure"
    " func_defaults im_func im_self im_class"
)
# In a text without blanks, or between braces as `format` takes them, these are meant as names of attributes.
DUNDERS = (
    r"__(?:class|mro|bases?|subclasses|globals|builtins|import|init|init_subclass|dict|getattribute|getattr|setattr"
    r"|getitem|call|code|closure|func|self|module|loader|spec|reduce|reduce_ex|new|wrapped|kwdefaults|defaults)__"
)
# What no template is given: whoever calls it hopes that somebody does.
FUNCTIONS = _words("eval exec compile open getattr setattr vars globals locals breakpoint")
MODULES = _words("os sys subprocess importlib builtins shutil socket pty posix nt ctypes pickle")
# What Jinja and transformers give: functions and classes, of which nobody takes an item by a changing name.
GIVEN = _words("self lipsum cycler joiner namespace range dict caller loop raise_exception strftime_now")
# Methods of strings, lists, dictionaries and of what Jinja gives, none of which calls what it is handed.
METHODS = _words(
    "append capitalize casefold center changed clear copy count current cycle decode difference encode endswith extend"
    " find format from_keys fromkeys get has_key index insert intersection isalnum isalpha isascii isdecimal isdigit"
    " isidentifier islower isnumeric isoformat isprintable isspace istitle isupper items join keys ljust lower lstrip"
    " next pop popitem partition remove removeprefix removesuffix replace reset reverse rfind rindex rjust rpartition"
    " rsplit rstrip setdefault split splitlines startswith strftime strip swapcase title union update upper values"
    " zfill"
)
# Filters and methods that give a number, or one of the values that they are handed ...
PICKING = _words("length count int float abs round first last min max default d get index find rfind pop")
# ... and those that may turn a text into another.
CHANGING = _words(
    "lower upper capitalize title trim string strip lstrip rstrip casefold swapcase split list sort unique reverse"
    " dictsort items keys values"
)

# Filters whose first argument is the name of a filter, and of an attribute.
APPLYING = _words("map select reject")
TAKING_ATTRIBUTES = _words("selectattr rejectattr groupby")
# Of other filters, which positional argument is the path of an attribute.
ATTRIBUTES = dict.fromkeys((*TAKING_ATTRIBUTES, "sum"), 0) | {"join": 1, "unique": 1, "min": 1, "max": 1, "sort": 2}
# What dictionaries have themselves, so that no item of that name is called in its place.
OF_DICTIONARIES = _words("clear copy fromkeys get items keys pop popitem setdefault update values")
# Methods that keep what they are handed, where no reading of the tree finds it again.
KEEPING = _words("append extend insert setdefault update")


class Judged(NamedTuple):
    """What a template is: "code", "malformed" or "opaque"; `says` completes "a chat template that ..."."""

    kind: str
    says: str
    evidence: str | None = None
    calls: str | None = None
    forced: bool = False


def judged(template: str) -> Judged | None:
    """Judge one template; None means that it only reads what it is given. Takes about a second per 100 KB at worst."""
    try:
        tree = _parsed(template)
    except RecursionError:
        return Judged(OPAQUE, "is nested too deeply to be looked into", forced=True)
    except Exception as error:  # Python's own errors escape from the parser, too; another Python may not raise them
        reason = str(error).partition("\n")[0][:120]
        if type(error).__name__ == "TemplateSyntaxError":
            return Judged(MALFORMED, "does not parse", reason)
        return Judged(OPAQUE, "cannot be parsed here", reason, forced=True)
    try:
        _Reading(tree).look()
    except _Found as found:
        return Judged(CODE, found.says, found.evidence, found.calls)
    return None


def _parsed(template: str) -> nodes.Template:
    from jinja2.parser import Parser

    parser = Parser(_environment(), template)
    for tag in set(re.findall(r"\{%[-+]?\s*(\w+)", template)) - _tags_of_jinja():
        parser.extensions.setdefault(tag, _skip_tag)
    return parser.parse()


@cache
def _environment() -> Environment:
    from jinja2 import Environment

    extensions = ("jinja2.ext.do", "jinja2.ext.loopcontrols", "jinja2.ext.i18n")
    return Environment(extensions=extensions)  # noqa: S701, nothing is rendered


@cache
def _tags_of_jinja() -> frozenset[str]:
    blocks = _words("autoescape block call filter for if macro raw set trans with")
    return blocks | {f"end{block}" for block in blocks} | _words("else elif extends from import include")


def _skip_tag(parser: Parser) -> list[nodes.Node]:
    """Pass over the tag of an extension that is not known, such as the `generation` of transformers."""
    while parser.stream.current.type not in ("block_end", "eof"):
        next(parser.stream)
    return []


class _Found(Exception):
    def __init__(self, node: nodes.Node, says: str, detail: str = "", calls: str | None = None) -> None:
        super().__init__(says)
        self.says = says
        self.evidence = f"line {node.lineno}" + (f": {detail[:100]!a}" if detail else "")
        self.calls = calls


def _is_internal(name: object) -> bool:
    if not isinstance(name, str):
        return False
    if not name.isascii():
        import unicodedata

        name = unicodedata.normalize("NFKC", name)  # as Python's compiler does
    if name[:1] != "_" or re.fullmatch(r"\w+", name) is None:
        return name in INTERNAL
    # `__name__`, and `_Class__name`, which Python makes of the `__name` of a class
    is_dunder = len(name) > 4 and name.startswith("__") and name.endswith("__")
    return is_dunder or (re.match(r"_[A-Za-z]", name) is not None and "__" in name[2:-1])


def _names_internals(text: object) -> bool:
    if not isinstance(text, str) or "__" not in text or not re.search(DUNDERS, text, re.IGNORECASE):
        return False
    return not re.search(r"\s", text) or re.search(r"\{[^{}]*" + DUNDERS, text) is not None


class _Reading:
    """One look at every node of a tree, and one at what they are together. Never recurses: trees may be deep."""

    def __init__(self, tree: nodes.Template) -> None:
        from jinja2 import nodes

        self.n = nodes
        self.nodes: list[nodes.Node] = []
        left: list[nodes.Node] = [tree]
        while left:
            node = left.pop()
            self.nodes.append(node)
            left += reversed(list(node.iter_child_nodes()))
        # What is assigned to each name, or to "name.attribute" of a namespace, anywhere.
        self.bound: dict[str, list[nodes.Node]] = {}
        self.attributes_set: set[str] = set()
        self.uncounted: set[str] = set()  # names of what may be something else than a number
        self.macros: set[str] = set()
        self.is_lost = False  # a text that the template puts together is somewhere, and may come back by any name
        self.has_text: set[str] = set()
        self.assembled: set[str] = set()
        self._seen_in_sums: set[int] = set()
        self._by_attribute: dict[object, str] = {}
        self._attributes_of = 0  # how many names it was made of

    def look(self) -> None:
        """Raise `_Found` at the first thing that no ordinary template has."""
        self._bind()
        looks = self._looks()
        for node in self.nodes:
            look = looks.get(type(node))
            if look is not None:
                look(node)
        self._spread(self.has_text, self._holds_text)
        self._spread(self.assembled, self._is_assembled)
        self.is_lost = any(map(self._loses_what_it_assembled, self.nodes))
        if self.is_lost:
            self._spread(self.uncounted, lambda value: not self._counts(value))
        for node in filter(self._looks_up_what_it_assembled, self.nodes):
            if any(map(self._calls_anything, self.nodes)):
                raise _Found(node, "looks up names that it assembles, and calls what it finds")
            return

    # Each node by itself

    def _looks(self) -> dict[type[nodes.Node], Callable[[Any], None]]:
        n = self.n
        looks: dict[type[nodes.Node], Callable[[Any], None]] = {
            n.Const: lambda node: self._refuse(node, node.value, _names_internals),
            n.Getattr: lambda node: self._refuse(node, node.attr, _is_internal),
            n.NSRef: lambda node: self._refuse(node, node.attr, _is_internal),
            n.Keyword: lambda node: self._refuse(node, node.key, _is_internal),
            n.Name: self._look_at_name,
            n.Getitem: self._look_at_item,
            n.Filter: self._look_at_filter,
            n.Test: self._look_at_filter,
            n.Concat: self._look_at_sum,
            n.Add: self._look_at_sum,
            n.Call: self._look_at_call,
        }
        return looks | dict.fromkeys((n.Import, n.FromImport, n.Include, n.Extends), _refuse_others)

    def _refuse(self, node: nodes.Node, text: object, test: Callable[[object], bool]) -> None:
        if test(text):
            raise _Found(node, "reaches for internals of Python", str(text))

    def _look_at_name(self, node: nodes.Name) -> None:
        if node.name not in self.bound:
            self._refuse(node, node.name, _is_internal)

    def _look_at_item(self, node: nodes.Getitem) -> None:
        n = self.n
        if isinstance(node.arg, n.Const):
            self._refuse(node, node.arg.value, _is_internal)
        elif isinstance(node.node, n.Name) and node.node.name in GIVEN and node.node.name not in self.bound:
            raise _Found(node, "looks into what Jinja gives it by a name that it assembles", node.node.name)

    def _look_at_filter(self, node: nodes.Filter | nodes.Test) -> None:
        n = self.n
        args = node.args
        if node.name in APPLYING and args and isinstance(args[0], n.Const) and args[0].value == "attr":
            self._look_at_attribute(node, args[1:])
        elif node.name == "attr":
            self._look_at_attribute(node, args)
        paths = [keyword.value for keyword in node.kwargs if keyword.key == "attribute"]
        if node.name in TAKING_ATTRIBUTES:
            paths += args[:1]
        elif node.name == "join" and isinstance(node, n.Filter):
            paths += args[1:2]
            if isinstance(node.node, n.List) and all(isinstance(item, n.Const) for item in node.node.items):
                self._look_at_text(node, "".join(str(item.value) for item in node.node.items))
        for path in paths:
            for part in str(path.value).split(".") if isinstance(path, n.Const) else ():
                self._refuse(node, part, _is_internal)

    def _look_at_attribute(self, node: nodes.Node, args: list[nodes.Expr]) -> None:
        """The filter `attr`: what it looks up, sandboxes have let pass."""
        name = args[0] if args else None
        if not isinstance(name, self.n.Const):
            raise _Found(node, "looks up attributes by names that it assembles")
        self._refuse(node, name.value, lambda text: _is_internal(text) or text in ("format", "format_map"))

    def _look_at_sum(self, node: nodes.Concat | nodes.Add) -> None:
        if id(node) in self._seen_in_sums:
            return
        pieces = []
        left: list[nodes.Node] = [node]
        while left:
            part = left.pop()
            if isinstance(part, self.n.Concat):
                left += reversed(part.nodes)
            elif isinstance(part, self.n.Add):
                left += (part.right, part.left)
            else:
                pieces.append(str(part.value) if isinstance(part, self.n.Const) else "\0")
                continue
            self._seen_in_sums.add(id(part))
        for text in "".join(pieces).split("\0"):
            self._look_at_text(node, text)

    def _look_at_text(self, node: nodes.Node, text: str) -> None:
        self._refuse(node, text, lambda text: _names_internals(text) or _is_internal(text))

    def _look_at_call(self, node: nodes.Call) -> None:
        called, names = node.node, []
        while isinstance(called, self.n.Getattr):
            names.append(called.attr)
            called = called.node
        if isinstance(called, self.n.Name) and called.name not in self.bound:
            if called.name in (MODULES if names else FUNCTIONS):
                dotted = ".".join((called.name, *reversed(names)))
                raise _Found(node, "calls what templates are not given", dotted, dotted)

    # All of them together

    def _bind(self) -> None:
        n = self.n
        macros: dict[str, list[nodes.Macro | nodes.CallBlock]] = {"caller": []}
        calls: list[tuple[str, nodes.Call]] = []
        for node in self.nodes:
            if isinstance(node, n.Assign):
                self._assign(node.target, node.node)
            elif isinstance(node, n.AssignBlock):
                self._assign(node.target, node)
            elif isinstance(node, n.For):
                self._assign(node.target, node.iter)
            elif isinstance(node, n.With):
                for target, value in zip(node.targets, node.values, strict=True):
                    self._assign(target, value)
            elif isinstance(node, (n.Macro, n.CallBlock)):
                macros.setdefault(node.name if isinstance(node, n.Macro) else "caller", []).append(node)
                for target in node.args:
                    self.bound.setdefault(target.name, [])
                for target, value in zip(reversed(node.args), reversed(node.defaults), strict=False):
                    self._assign(target, value)
            elif isinstance(node, n.Call) and isinstance(node.node, n.Name):
                calls.append((node.node.name, node))
        self.macros.update(macros)
        for name, call in calls:
            for macro in macros.get(name, ())[:10]:
                for target, value in zip(macro.args, call.args, strict=False):
                    self._assign(target, value)
                for keyword in call.kwargs:
                    self.bound.setdefault(keyword.key, []).append(keyword.value)

    def _assign(self, target: nodes.Node, value: nodes.Node) -> None:
        n = self.n
        if isinstance(target, (n.Tuple, n.List)):
            for item in target.items:
                self._assign(item, value)
        elif isinstance(target, n.NSRef):
            self.attributes_set.add(target.attr)
            self.bound.setdefault(f"{target.name}.{target.attr}", []).append(value)
        elif isinstance(target, n.Name):
            if isinstance(value, n.Call) and _is_name(value.node, "namespace"):
                self.bound.setdefault(target.name, [])
                for keyword in value.kwargs:
                    self.attributes_set.add(keyword.key)
                    self.bound.setdefault(f"{target.name}.{keyword.key}", []).append(keyword.value)
            else:
                self.bound.setdefault(target.name, []).append(value)

    def _spread(self, names: set[str], test: Callable[[nodes.Node], bool]) -> None:
        """Add to `names` what something is assigned to that passes the test, which may look at `names`."""
        for _ in range(ROUNDS_AT_MOST):
            bound = [(name, values) for name, values in self.bound.items() if name not in names]
            # Many names may have one value.
            values_of_all = {id(value): value for _, values in bound for value in values}
            passed = {known for known, value in values_of_all.items() if test(value)}
            more = {name for name, values in bound if any(id(value) in passed for value in values)}
            if not more:
                return
            names |= more
        names |= self.bound.keys()

    def _key(self, node: nodes.Node) -> str | None:
        """The name that `bound` has for what stands here."""
        if isinstance(node, self.n.Name):
            return node.name
        if not isinstance(node, (self.n.Getattr, self.n.Getitem)) or not isinstance(node.node, self.n.Name):
            return None
        if isinstance(node, self.n.Getattr):
            name = node.attr
        elif isinstance(node.arg, self.n.Const):
            name = node.arg.value
        else:
            return None
        key = f"{node.node.name}.{name}"
        if key not in self.bound and name in self.attributes_set:  # of a namespace, by another name
            return self._assembled_by_attribute().get(name)
        return key if key in self.bound else None

    def _assembled_by_attribute(self) -> dict[object, str]:
        if self._attributes_of != len(self.assembled):
            self._attributes_of = len(self.assembled)
            self._by_attribute = {key.rpartition(".")[2]: key for key in sorted(self.assembled) if "." in key}
        return self._by_attribute

    def _holds_text(self, value: nodes.Node) -> bool:
        """Whether the value may have text that stands in the template."""
        n = self.n
        left: list[nodes.Node | None] = [value]
        while left:
            node = left.pop()
            if node is None:
                continue
            key = self._key(node)
            if isinstance(node, n.Const):
                if isinstance(node.value, str) and node.value:
                    return True
            elif key is not None:
                if key in self.has_text:
                    return True
            elif isinstance(node, (n.Concat, n.AssignBlock)):
                return True
            elif isinstance(node, n.Call):
                if isinstance(node.node, n.Getattr):
                    left += (node.node.node, *node.args[1:])
                elif not _is_name(node.node, "range"):
                    return True
            elif isinstance(node, n.Filter):
                left += (node.node, *(node.args if node.name in ("default", "d") else ()))
            elif isinstance(node, (n.Getattr, n.Getitem)):
                left.append(node.node)
            elif not isinstance(node, (n.Compare, n.Not, n.Test)):
                left += node.iter_child_nodes()
        return False

    def _is_assembled(self, value: nodes.Node) -> bool:
        """Whether the value may be a text that the template puts together, and not one that it is given."""
        left: list[tuple[nodes.Node | None, bool]] = [(value, False)]
        while left:
            node, changed = left.pop()
            if node is None:
                continue
            more = self._parts(node, changed)
            if more is None:
                return True
            left += more
        return False

    def _parts(self, node: nodes.Node, changed: bool) -> list[tuple[nodes.Node | None, bool]] | None:
        """What the value at `node` comes from, and whether it is changed on the way; None: it is assembled."""
        n = self.n
        key = self._key(node)
        if key is not None:
            given = key in GIVEN and key not in self.bound
            if key in self.assembled or key.endswith(("_token", "_tokens")) or key in ("varargs", "kwargs"):
                return None
            return None if changed and (given or key in self.has_text) else []
        if isinstance(node, n.Const):
            return None if changed and isinstance(node.value, str) else []
        if isinstance(node, n.Getattr):
            return [] if isinstance(node.node, n.Name) and node.node.name in GIVEN else [(node.node, changed)]
        if isinstance(node, n.Getitem):
            return [(node.node, changed or isinstance(node.arg, n.Slice))]
        if isinstance(node, n.Filter):
            return self._parts_of_change(node.name, node.node, node.args, changed)
        if isinstance(node, n.Call):
            if isinstance(node.node, n.Getattr):
                return self._parts_of_change(node.node.attr, node.node.node, node.args, changed)
            if _is_name(node.node, "namespace") or _is_name(node.node, "dict"):
                return [(keyword.value, changed) for keyword in node.kwargs]
            return [] if _is_name(node.node, "range") else None
        if isinstance(node, (n.Compare, n.Not, n.Test, n.Slice)):
            return []
        if isinstance(node, (n.BinExpr, n.UnaryExpr)) and not isinstance(node, (n.And, n.Or)):
            return [(child, True) for child in node.iter_child_nodes()]
        if isinstance(node, (n.And, n.Or, n.List, n.Tuple, n.Dict, n.Pair)):
            return [(child, changed) for child in node.iter_child_nodes()]
        if isinstance(node, n.CondExpr):
            return [(node.expr1, changed), (node.expr2, changed)]
        return None

    def _parts_of_change(
        self, name: str, base: nodes.Node | None, args: list[nodes.Expr], changed: bool
    ) -> list[tuple[nodes.Node | None, bool]] | None:
        if name in PICKING:
            return [(base, changed), *((arg, changed) for arg in args[1:] or args if name != "get" or args[1:])]
        return [(base, True)] if name in CHANGING else None

    def _looks_up_what_it_assembled(self, node: nodes.Node) -> bool:
        n = self.n
        if isinstance(node, n.Getitem):
            if isinstance(node.arg, (n.Slice, n.Const)):
                return False
            return self._is_assembled(node.arg) or (self.is_lost and not self._counts(node.arg))
        if not isinstance(node, (n.Filter, n.Test)):
            return False
        name, args = node.name, node.args
        while name in APPLYING and args and isinstance(args[0], n.Const):
            name, args = args[0].value, args[1:]
        if name != "attr" and name not in APPLYING and name not in ATTRIBUTES:
            return False
        at = ATTRIBUTES.get(name, 0)
        paths = [*args[at : at + 1], *(keyword.value for keyword in node.kwargs if keyword.key == "attribute")]
        return bool(node.dyn_args or node.dyn_kwargs) or any(not isinstance(path, n.Const) for path in paths)

    def _loses_what_it_assembled(self, node: nodes.Node) -> bool:
        """Whether a text that it puts together goes where it is not followed: into a container, or by another name."""
        n = self.n
        if not isinstance(node, n.Call):
            return False
        called, values = node.node, [node.dyn_args, node.dyn_kwargs]
        if isinstance(called, n.Name) and called.name not in self.macros:
            if called.name in self.bound:
                values += (*node.args, *(keyword.value for keyword in node.kwargs))
            elif called.name in ("namespace", "dict"):
                values += node.args
        elif isinstance(called, n.Getattr) and called.attr in KEEPING:
            values += (*node.args, *(keyword.value for keyword in node.kwargs))
        return any(value is not None and self._is_assembled(value) for value in values)

    def _counts(self, node: nodes.Node) -> bool:
        """Whether a value is a number, which no text can take the place of."""
        n = self.n
        left: list[nodes.Node] = [node]
        while left:
            node = left.pop()
            key = self._key(node)
            if key is not None:
                if key in self.uncounted or not self.bound.get(key):
                    return False
            elif isinstance(node, n.Const):
                if isinstance(node.value, str):
                    return False
            elif isinstance(node, (n.Add, n.Sub, n.Mul, n.FloorDiv, n.Neg)):
                left += node.iter_child_nodes()
            elif isinstance(node, n.Getattr):
                if not (_is_name(node.node, "loop") and node.attr.startswith(("index", "revindex", "length"))):
                    return False
            elif isinstance(node, n.Filter):
                if node.name not in ("length", "count", "int", "abs"):
                    return False
            elif not (isinstance(node, n.Call) and _is_name(node.node, "range")):
                return False
        return True

    def _calls_anything(self, node: nodes.Node) -> bool:
        """Whether a call is of something else than a macro, a function that is given, or a common method."""
        n = self.n
        if not isinstance(node, n.Call):
            return False
        if isinstance(node.node, n.Name):
            return node.node.name in self.bound
        if isinstance(node.node, n.Getattr):
            name = node.node.attr
            return name not in METHODS or name in self.attributes_set or self._may_be_an_item(name)
        return True

    def _may_be_an_item(self, name: str) -> bool:
        """Whether a method may be one that the template itself has put into a dictionary under that name."""
        return name in self._keys and name not in OF_DICTIONARIES

    @cached_property
    def _keys(self) -> set[object]:
        n = self.n
        texts = {node.value for node in self.nodes if isinstance(node, n.Const) and isinstance(node.value, str)}
        return texts | {node.key for node in self.nodes if isinstance(node, n.Keyword)}


def _refuse_others(node: nodes.Node) -> None:
    raise _Found(node, "pulls in other templates")


def _is_name(node: nodes.Node, name: str) -> bool:
    return type(node).__name__ == "Name" and getattr(node, "name", None) == name
