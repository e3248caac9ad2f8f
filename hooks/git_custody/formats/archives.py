"""What kind of archive its members make up: PyTorch's, TorchServe's, NeMo's and NumPy's archives, llamafiles.

Told by names, as their loaders tell them: `torch/csrc/jit/serialization/import.cpp` (TorchScript),
`torch/package/package_importer.py`, `torch/export/pt2_archive/_package.py`, TorchServe's `model-archiver`,
`nemo/core/connectors/save_restore_connector.py` (CVE-2025-23304), and llamafile's README. Wheels, jars, office
documents and other ordinary archives are none of these.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from posixpath import normpath

from git_custody.core.content import Content
from git_custody.formats.hydra import targets
from git_custody.formats.paths import leaves_folder
from git_custody.formats.torch_export import TooLong, odd_expression
from git_custody.formats.verdicts import CODE, MALFORMED, OPAQUE, SAFE, Said, Scene

# The start of an Actually Portable Executable, which is a program for every system at once, and of other programs.
PORTABLE_PROGRAMS = (b"MZqFpD", b"jartsr=")
PROGRAMS = (*PORTABLE_PROGRAMS, b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"#!")
ARRAY = b"\x93NUMPY"
NEMO_CONFIG = "model_config.yaml"
MACHINE_CODE = (".so", ".cubin", ".hsaco", ".o", ".dll", ".dylib", ".pyd")
TELLING = (
    ".py", ".json", ".gguf", *MACHINE_CODE,
    "constants.pkl", "bytecode.pkl", ".data/extern_modules", "archive_version", NEMO_CONFIG,
)  # fmt: skip
# Where the classes of NeMo's own models come from; anything else is a name that the file chose.
NEMO_NAMESPACES = (
    "nemo.", "torch.nn.", "torch.optim.", "torch.utils.data.", "torchaudio.", "pytorch_lightning.", "lightning.",
    "nemo_text_processing.", "omegaconf.",
)  # fmt: skip
MANIFEST_AT_MOST = 64 * 1024
CONFIG_AT_MOST = 512 * 1024
TEXTS_AT_MOST = 16  # of one kind; an archive of several versions of one file has few
GRAPHS_AT_MOST = 1_000


def inspect(scene: Scene) -> Iterator[Said]:
    """A program that is called a llamafile; what has a zip with a model at its end is told by that."""
    if scene.name.lower().endswith(".llamafile") and scene.head.startswith(PROGRAMS):
        yield _LLAMAFILE


_LLAMAFILE = Said(CODE, "llamafile", "a llamafile, a program with a model inside, which runs when it is opened")


class Kinds:
    """Sees the members of an archive go by, and says at the end what they make up. Only a zip `may_be_npz`.

    `link`: a member of a tar that is a link, through which others may be unpacked anywhere.
    """

    def __init__(self, scene: Scene, may_be_npz: bool = False) -> None:
        self.link: str | None = None
        self._scene = scene
        self._count = 0
        self._only_arrays = may_be_npz
        self._found: dict[str, str] = {}  # what was found, and under which name
        self._graphs: list[Content] = []
        self._configs: list[bytes] = []
        self._outside: str | None = None  # a member that unpacking puts elsewhere
        self._manifests: list[bytes] = []

    def see(self, name: str, content: Content) -> None:
        """Note a member. It is read from only where its name is a telling one."""
        self._count += 1
        if self._outside is None and leaves_folder(name):
            self._outside = name
        if self._only_arrays:
            self._only_arrays = name.endswith(".npy") and content.read_at(0, 6) == ARRAY
        if name.endswith(TELLING) or "/models/" in name:
            self._note(normpath(f"/{name}").lstrip("/"), content)

    def _note(self, name: str, content: Content) -> None:
        below = name.partition("/")[2]  # PyTorch keeps everything in one folder, called anything
        if name == "MAR-INF/MANIFEST.json":
            self._manifests.append(content.read_at(0, MANIFEST_AT_MOST))
        elif name == NEMO_CONFIG:
            self._configs.append(content.read_at(0, CONFIG_AT_MOST + 1))
        elif name == "serialized_exported_program.json":  # as PyTorch wrote it up to 2.7
            self._graphs.append(content)
            self._found["pt2"] = name
        elif below in ("constants.pkl", "bytecode.pkl", ".data/extern_modules", "model.json", "archive_version"):
            self._found.setdefault(below, name)
        elif name.endswith(".gguf"):
            self._found.setdefault("gguf", name)
        if below.startswith("models/"):
            self._graphs.append(content)
        if name.endswith(".py"):
            self._found.setdefault("program", name)
            if below.startswith("code/"):
                self._found.setdefault("code", name)
        if name.endswith(MACHINE_CODE):
            self._found.setdefault("machine code", name)
            if below.startswith("data/aotinductor/"):
                self._found.setdefault("pt2", name)
        del self._manifests[TEXTS_AT_MOST:], self._configs[TEXTS_AT_MOST:], self._graphs[GRAPHS_AT_MOST:]

    def told(self) -> Iterator[Said]:
        """What the members make up."""
        found = self._found
        if "code" in found and not found.keys().isdisjoint(("constants.pkl", "bytecode.pkl", "model.json")):
            what = "a TorchScript archive, whose loader runs the program that it holds"
            yield Said(CODE, "torchscript", what, evidence=found["code"])
        if ".data/extern_modules" in found and "program" in found:
            what = "a torch.package archive, whose loader runs the Python modules that it holds"
            yield Said(CODE, "torch-package", what, evidence=found["program"])
        if "pt2" in found or (self._graphs and "archive_version" in found):
            yield self._exported()
        if self._manifests:
            yield from self._served()
        if self._configs or self._is_nemo() or self._has_linked_config():
            yield from self._configured()
        if "gguf" in found and self._scene.head.startswith(PROGRAMS):
            if not self._scene.name.lower().endswith(".llamafile"):
                yield _LLAMAFILE._replace(evidence=found["gguf"])
        if self._only_arrays and (self._count or self._scene.name.lower().endswith(".npz")):
            yield Said(SAFE, "npz", "a NumPy archive of arrays")

    def _exported(self) -> Said:
        if compiled := self._found.get("machine code"):
            what = "a PyTorch export with compiled code, which its loader runs"
            return Said(CODE, "pt2", what, evidence=compiled)
        try:
            if len(self._graphs) >= GRAPHS_AT_MOST:
                raise TooLong
            expression = odd_expression(self._graphs)
        except TooLong:
            return Said(OPAQUE, "pt2", "a PyTorch export whose graphs are too long to look at", forced=True)
        if expression is not None:
            what = "a PyTorch export with a size that is a Python expression, which its loader evaluates"
            return Said(CODE, "pt2", what, "sympy.sympify", f"expr_str {expression!r}")
        return Said(SAFE, "pt2", "a PyTorch export without compiled code")

    def _served(self) -> Iterator[Said]:
        handlers = [handler for manifest in self._manifests if (handler := _handler(manifest))]
        program = self._found.get("program")
        if handlers:
            what = "a TorchServe model archive, whose handler runs when the model is served"
            evidence = f"handler {handlers[0]!r} in MAR-INF/MANIFEST.json"
            yield Said(CODE, "mar", what, handlers[0].removesuffix(".py"), evidence)
        elif program:
            what = "a TorchServe model archive with Python modules, which run when the model is served"
            yield Said(CODE, "mar", what, evidence=program)

    def _is_nemo(self) -> bool:
        return self._scene.name.lower().endswith(".nemo")

    def _has_linked_config(self) -> bool:
        return normpath(f"/{self.link}") == f"/{NEMO_CONFIG}"

    def _configured(self) -> Iterator[Said]:
        is_nemo = self._is_nemo() or self._has_linked_config() or any(b"nemo" in config for config in self._configs)
        if is_nemo and (
            len(self._configs) >= TEXTS_AT_MOST or any(len(config) > CONFIG_AT_MOST for config in self._configs)
        ):
            yield Said(OPAQUE, "nemo", "a NeMo model whose model_config.yaml is too long to look at", forced=True)
            return
        for config in self._configs:
            for key, target in targets(config, self._scene.budget):
                # What other programs configure in a file of this name is not in the standard library.
                if not _is_of_nemo(target) and (is_nemo or target.partition(".")[0] in sys.stdlib_module_names):
                    what = f"a NeMo model whose configuration calls {target}"
                    yield Said(CODE, "nemo", what, target, f"{key} in model_config.yaml")
                    return
        for found, how in ((self._outside, "outside of its folder"), (self.link, "that is a link")):
            if found is not None and is_nemo:  # its loader unpacks it to wherever that leads
                yield Said(MALFORMED, "nemo", f"a NeMo model with a member {how}", None, found[:200])
                return
        if is_nemo and self._configs:
            yield Said(SAFE, "nemo", "a NeMo model whose configuration names only classes of NeMo and PyTorch")


def _is_of_nemo(target: str) -> bool:
    """Whether it is a class of those namespaces; their functions and methods load and save files of any kind."""
    *modules, name = target.split(".")
    return target.startswith(NEMO_NAMESPACES) and name[:1].isupper() and not any(part[:1].isupper() for part in modules)


def _handler(manifest: bytes) -> str | None:
    import json

    try:
        handler = json.loads(manifest)["model"].get("handler")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return handler if isinstance(handler, str) else None
