"""Where Python code loads data: calls of known functions with literal arguments, found in the syntax tree.

Nothing is executed, and nothing is guessed: a function counts when the file imports it from its library, and an
argument when it is a plain string. What cannot be parsed (Python 2, templates, a file cut short) holds no loads. The
functions are those of the libraries' own references, named with each group.
"""

from __future__ import annotations

import json
import re
import warnings
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator, Sequence

LARGEST = 1024 * 1024
CELLS_AT_MOST = 5000
# Before Python 3.11, `ast` builds its tree without a limit to the depth, and a chain such as a.b.c.… that is some
# 100 000 links long overflows the stack (CPython gh-91079). Nobody writes a statement of so many links.
LINKS_AT_MOST = 5000
# Each takes up to a kilobyte in the tree. A megabyte that people wrote has fewer, its comments and texts included.
WORDS_AT_MOST = 250_000


class Load(NamedTuple):
    """One load of data.

    `kind` is "hub" (Hugging Face), "kaggle", "openml", "tfds" or "path": a file, a folder or an address. `call` is the
    function as its library names it, `line` 1-based, in `cell` of a notebook (1-based, 0 elsewhere).
    """

    kind: str
    name: str
    call: str
    line: int
    cell: int = 0


class _Loader(NamedTuple):
    kind: str
    keywords: tuple[str, ...]  # the names under which the argument can be given; the first position otherwise


_READERS = ("read_csv", "read_parquet", "read_json", "read_table", "read_feather", "read_orc", "read_excel", "read_xml")
_FILE = _Loader(
    "path", ("filepath_or_buffer", "path_or_buf", "path", "source", "io", "file", "path_or_buffer", "urlpath")
)
# pandas.pydata.org/docs/reference/io, docs.pola.rs/api, docs.dask.org, modin and cudf mirror pandas.
_FRAMES = {
    "pandas": (*_READERS, "read_fwf", "read_stata", "read_sas", "read_spss", "read_hdf"),
    "modin.pandas": _READERS,
    "cudf": _READERS,
    "dask.dataframe": _READERS,
    "polars": (
        *_READERS,
        "read_ndjson",
        "read_avro",
        "read_ipc",
        "scan_csv",
        "scan_parquet",
        "scan_ndjson",
        "scan_ipc",
    ),
    "geopandas": ("read_file", "read_parquet"),
    "pyarrow.csv": ("read_csv", "open_csv"),
    "pyarrow.json": ("read_json",),
    "pyarrow.parquet": ("read_table", "ParquetFile"),
    "pyarrow.feather": ("read_table", "read_feather"),
    "pyarrow.dataset": ("dataset",),
}
LOADERS = {f"{module}.{name}": _FILE for module, names in _FRAMES.items() for name in names} | {
    # huggingface.co/docs/datasets/package_reference/loading_methods
    "datasets.load_dataset": _Loader("hub", ("path",)),
    "datasets.load_dataset_builder": _Loader("hub", ("path",)),
    "datasets.load_from_disk": _Loader("path", ("dataset_path",)),
    "datasets.Dataset.from_csv": _Loader("path", ("path_or_paths",)),
    "datasets.Dataset.from_json": _Loader("path", ("path_or_paths",)),
    "datasets.Dataset.from_parquet": _Loader("path", ("path_or_paths",)),
    # huggingface.co/docs/huggingface_hub/package_reference/file_download: datasets where `repo_type` says so
    "huggingface_hub.hf_hub_download": _Loader("hub", ("repo_id",)),
    "huggingface_hub.snapshot_download": _Loader("hub", ("repo_id",)),
    # numpy.org/doc/stable/reference/routines.io.html
    "numpy.load": _Loader("path", ("file",)),
    "numpy.loadtxt": _Loader("path", ("fname",)),
    "numpy.genfromtxt": _Loader("path", ("fname",)),
    # tensorflow.org/datasets/api_docs/python/tfds
    "tensorflow_datasets.load": _Loader("tfds", ("name",)),
    "tensorflow_datasets.builder": _Loader("tfds", ("name",)),
    "tensorflow_datasets.data_source": _Loader("tfds", ("name",)),
    # github.com/Kaggle/kagglehub
    "kagglehub.dataset_download": _Loader("kaggle", ("handle",)),
    "kagglehub.dataset_load": _Loader("kaggle", ("handle",)),
    # scikit-learn.org/stable/modules/generated/sklearn.datasets.fetch_openml.html
    "sklearn.datasets.fetch_openml": _Loader("openml", ("name",)),
    # docs.python.org/3/library/urllib.request.html
    "urllib.request.urlretrieve": _Loader("path", ("url",)),
    # dvc.org/doc/api-reference
    "dvc.api.open": _Loader("path", ("path",)),
    "dvc.api.read": _Loader("path", ("path",)),
    "open": _Loader("path", ("file",)),
}
# Builders of `datasets` that read the files that `data_files` names, rather than a repository of that name.
BUILDERS = frozenset(
    ("csv", "json", "parquet", "arrow", "text", "xml", "pandas", "sql", "imagefolder", "audiofolder", "videofolder",
     "pdffolder", "webdataset", "generator", "spark", "cache", "hdf5", "lance")
)  # fmt: skip
_LAST_NAMES = sorted({name.rpartition(".")[2] for name in LOADERS})
# A call whose first argument is a literal, or the first keyword's, or a name of their own for one of these functions:
# most files need not be parsed.
_MAY_LOAD = re.compile(
    rf"\b(?:{'|'.join(_LAST_NAMES)})(?:\s*\(\s*(?:\w+\s*=\s*)?(?:[rRuU]?\\?[\"']|[\[{{(]|\d)|\s+as\s)".encode()
)
# In a notebook, lines are items of a list.
_MAY_LOAD_IN_CELL = re.compile(rf"\b(?:{'|'.join(_LAST_NAMES)})(?:\s*\(|\s+as\s)".encode())
_WORDS = re.compile(r"\w+|[^\w\s]|\n")
_OPERATOR = r"[-+*/%&|^@<>]"
_TOKENS = re.compile(
    r"#[^\n]*|(?P<quote>\"\"\"|'''|\"|')|(?<!\w)\d[\d_]*(?:\.[\d_]*)?(?:[eE][-+]?\d+)?|(?<![\w)\]}])\.\d+"
    rf"|(?P<link>(?<=[\w)\]}}\"'])[ \t]*(?:[(\[]|{_OPERATOR}+)|\.)"
    rf"|(?P<open>[(\[{{])|(?P<close>[)\]}}])|(?P<line>\n[ \t]*(?P<goes_on>{_OPERATOR})?)"
)
_MAGIC = re.compile(r"^[ \t]*[%!?].*$|^.*\?[ \t]*$", re.MULTILINE)
_CELL_OF_PYTHON = re.compile(r"\s*%%(?:time|timeit|capture|prun)\b[^\n]*\n")


def loads(raw: bytes, *, is_notebook: bool) -> tuple[Load, ...]:
    """The loads in a Python file or a Jupyter notebook, each name once, in the order of their lines."""
    if len(raw) > LARGEST or not (_MAY_LOAD_IN_CELL if is_notebook else _MAY_LOAD).search(raw):
        return ()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ()
    parts = _cells(text) if is_notebook else [(0, text)]
    found: dict[tuple[str, str], Load] = {}
    imports: dict[str, str] = {}
    for cell, code in parts:
        tree = _parsed(code)
        if tree is not None:
            # What one cell of a notebook imports, the ones after it may use.
            for load in _in_tree(tree, imports, cell):
                found.setdefault((load.kind, load.name), load)
    return tuple(sorted(found.values(), key=lambda load: (load.cell, load.line, load.name)))


def _cells(text: str) -> Iterator[tuple[int, str]]:
    """The code cells of a notebook (nbformat 3 and 4), magics blanked out so that lines stay."""
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        return
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if cells is None and isinstance(notebook, dict) and isinstance(sheets := notebook.get("worksheets"), list):
        cells = [cell for sheet in sheets if isinstance(sheet, dict) for cell in _listed(sheet.get("cells"))]
    for number, cell in enumerate(_listed(cells)[:CELLS_AT_MOST], 1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", cell.get("input", ""))
        code = "".join(line for line in source if isinstance(line, str)) if isinstance(source, list) else source
        if not isinstance(code, str):
            continue
        timed = _CELL_OF_PYTHON.match(code)
        if timed:
            code = "\n" * timed[0].count("\n") + code[timed.end() :]
        if not code.lstrip().startswith("%%"):
            yield number, _MAGIC.sub("", code)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _parsed(code: str) -> ast.Module | None:
    import ast

    if next(islice(_WORDS.finditer(code), WORDS_AT_MOST, None), None) or not _is_shallow(code):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes: not ours to speak of
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _is_shallow(code: str) -> bool:
    """Whether no statement has more than `LINKS_AT_MOST` calls, attributes, subscripts and operators."""
    depth = links = at = 0
    while (match := _TOKENS.search(code, at)) is not None:
        at = match.end()
        if quote := match["quote"]:
            at = _end_of_string(code, at, quote)
        elif match["close"]:
            depth = max(depth - 1, 0)
        elif match["line"]:
            goes_on = depth > 0 or code[match.start() - 1 : match.start()] == "\\"
            links = links + bool(match["goes_on"]) if goes_on else 0
        elif found := match["link"]:
            links += 1
            depth += found[-1] in "(["
        elif match["open"]:
            depth += 1
        if links > LINKS_AT_MOST:
            return False
    return True


def _end_of_string(code: str, at: int, quote: str) -> int:
    while True:
        end = code.find(quote, at)
        if end < 0:
            return len(code)
        line = code.find("\n", at, end) if len(quote) == 1 else -1
        if line >= 0 and code[line - 1] != "\\":
            return line  # broken, or the apostrophe of a comment in a string of another kind
        before = end
        while code[before - 1] == "\\":  # not beyond `at`: a quote stands before it
            before -= 1
        if (end - before) % 2 == 0:
            return end + len(quote)
        at = end + 1


# ---------------------------------------------------------------------- the tree


def _in_tree(tree: ast.Module, imports: dict[str, str], cell: int) -> Iterator[Load]:
    import ast

    nodes = _nodes(tree)
    own = set()
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            imports.update(_imported(node))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            own.add(node.name)
        elif isinstance(node, ast.arg):
            own.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
    known = {name: full for name, full in {"open": "open", **imports}.items() if name not in own}
    for node in nodes:
        if isinstance(node, ast.Call) and (name := _dotted(node.func)) is not None:
            head, dot, rest = name.partition(".")
            full = known.get(head, "") + dot + rest
            if (loader := LOADERS.get(full)) is not None:
                for kind, given in _given(node, full, loader):
                    yield Load(kind, given, full, node.lineno, cell)


def _imported(node: ast.Import | ast.ImportFrom) -> dict[str, str]:
    """The names that an import binds, and what each stands for."""
    import ast

    if isinstance(node, ast.ImportFrom):
        if node.level or not node.module:
            return {}
        return {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
    tops = ((name, name.name.partition(".")[0]) for name in node.names)
    return {name.asname or top: name.name if name.asname else top for name, top in tops}


def _nodes(tree: ast.Module) -> list[ast.AST]:
    """Every node, without recursion, in no certain order."""
    import ast

    found: list[ast.AST] = [tree]
    for node in found:
        found.extend(ast.iter_child_nodes(node))
    return found


def _dotted(node: ast.expr) -> str | None:
    import ast

    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or len(names) > 4:
        return None
    return ".".join([node.id, *reversed(names)])


def _given(call: ast.Call, full: str, loader: _Loader) -> Iterator[tuple[str, str]]:
    """What a call is given to load: kind and name, only where these are literals."""
    if any(_is_starred(argument) for argument in call.args):
        return
    keywords = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    first = call.args[0] if call.args else next((keywords[k] for k in loader.keywords if k in keywords), None)
    if full == "open" and not _reads(call, keywords):
        return
    names = list(_literals(first)) if first is not None else []
    if full.startswith("huggingface_hub."):
        told = keywords.get("repo_type")
        names = names if told is not None and list(_literals(told)) == ["dataset"] else []
    if loader.kind == "hub":
        yield from _from_hub(names, keywords)
    elif loader.kind == "openml":
        number = _number(keywords.get("data_id"))
        yield from ((loader.kind, name) for name in ([number] if number else names))
    elif full.startswith("dvc.api") and "repo" in keywords:
        return  # in another repository
    else:
        yield from ((loader.kind, name) for name in names)


def _from_hub(names: Sequence[str], keywords: dict[str, ast.expr]) -> Iterator[tuple[str, str]]:
    files = keywords.get("data_files")
    for name in names:
        if name in BUILDERS:
            if files is not None:
                yield from (("path", file) for file in _literals(files))
        elif name.startswith(("./", "../", "/", "~")) or "\\" in name or name.endswith(".py"):
            yield "path", name
        elif re.fullmatch(r"[A-Za-z0-9][\w.-]*(?:/[\w.-]+)?", name):
            yield "hub", name


def _literals(node: ast.expr) -> Iterator[str]:
    import ast

    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value
    elif isinstance(node, (ast.List, ast.Tuple)):
        for item in node.elts:
            if isinstance(item, ast.Constant) and isinstance(item.value, str):
                yield item.value
    elif isinstance(node, ast.Dict):
        for value in node.values:
            if not isinstance(value, ast.Dict):
                yield from _literals(value)


def _is_starred(node: ast.expr) -> bool:
    import ast

    return isinstance(node, ast.Starred)


def _number(node: ast.expr | None) -> str | None:
    import ast

    if isinstance(node, ast.Constant) and isinstance(node.value, int) and 0 < node.value < 10**9:
        return str(int(node.value))
    return None


def _reads(call: ast.Call, keywords: dict[str, ast.expr]) -> bool:
    import ast

    mode = call.args[1] if len(call.args) > 1 else keywords.get("mode")
    if mode is None:
        return True
    return isinstance(mode, ast.Constant) and isinstance(mode.value, str) and mode.value in ("r", "rb", "rt", "br")
