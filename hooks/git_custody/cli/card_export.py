"""`git custody card export`: a data card in the words of another standard."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from ..core import assets, worktree
from ..core.findings import CUSTODY, CannotJudge, RepoPath
from ..core.report import plain, sentence
from ..datasets import cards as card_texts
from ..datasets import survey as surveys

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from ..core.git import Git
    from ..datasets.exports.exported import Exported, File, Rendered
    from ..datasets.survey import Dataset
    from .desk import Desk

FORMATS = ("croissant", "huggingface", "datapackage", "spdx", "cyclonedx")
# In these a path that leads out of the folder of the file is an error.
_WITH_PATHS = {"croissant": "Croissant", "datapackage": "Data Package"}


def add_parser(verbs: Any) -> None:
    """Declare the verb and its options."""
    export = verbs.add_parser("export", help="write a card as Croissant, SPDX, ...", allow_abbrev=False)
    export.add_argument("path", metavar="PATH", help="a dataset or its card")
    export.add_argument("--to", metavar="FORMAT", choices=FORMATS, required=True, help=", ".join(FORMATS))
    export.add_argument(
        "--output", metavar="FILE",
        help="the file to write (default: the standard output, with paths as from the folder of the data)",
    )  # fmt: skip


def export(desk: Desk, given: Namespace) -> int:
    """Print or write the export; 1 when the card has to be mended first."""
    from ..core.runner import rooted
    from .card import cards_of

    output = None if given.output is None else rooted(given.output, desk.git)
    (card,) = cards_of(desk, [given.path])
    found = surveys.dataset(desk.case, card)
    if (fault := _fault(desk, found)) is not None:
        sys.stderr.write(f"git-custody: {plain(card)}: {sentence(fault)}\n")
        return 1
    exported = _exported(desk, found, output)
    outside = next((file.path for file in exported.files if exported.from_base(file.path).startswith("..")), None)
    if outside is not None and given.to in _WITH_PATHS:
        name = _WITH_PATHS[given.to]
        raise CannotJudge(
            f"a {name} file can only speak of files in its folder and below: write it above {outside}", output
        )
    rendered = _render(given.to, exported)
    if output is None:
        sys.stdout.buffer.write(rendered.data)
        sys.stdout.buffer.flush()
    else:
        _write(desk, given.to, output, rendered.data)
    if rendered.lacking:
        fields = ", ".join(rendered.lacking)
        sys.stderr.write(f"note: the standard asks for more than this card says; add to it, if you know: {fields}\n")
    return 0


def _render(name: str, exported: Exported) -> Rendered:
    from importlib import import_module

    module = {"datapackage": "data_package"}.get(name, name)
    rendered: Rendered = import_module(f"git_custody.datasets.exports.{module}").render(exported)
    return rendered


def _fault(desk: Desk, found: Dataset) -> str | None:
    """Why a card cannot be exported as it is, or None."""
    if found.document is None:
        return "a data card has to be a plain file that git has here"
    if found.document.problems:
        first = found.document.problems[0]
        return f"line {first.line or 1}: {first.message}"
    if not found.files:
        return f"it speaks of {found.path or '.'}, which is not tracked"
    digest = surveys.digest(desk.case, found)
    if digest is not None and digest != found.document.data["content"]["digest"]:
        add = desk.command(CUSTODY, "add", RepoPath(found.path or "."))
        return f"what is staged does not fit this card; first run: {add}"
    return None


def _exported(desk: Desk, found: Dataset, output: str | None) -> Exported:
    from ..datasets.exports.exported import Exported
    from ..datasets.license_subject import texts_of

    assert found.document is not None
    path = found.path.removesuffix(".dvc")
    folder = path if found.is_folder else path.rpartition("/")[0]
    base = folder if output is None else output.rpartition("/")[0]
    data, texts = found.document.data, texts_of(found.document.data, desk.case.after)
    return Exported(data, path, found.is_folder, _files(desk, found, output), base, _now(desk.git), texts)


def _files(desk: Desk, found: Dataset, output: str | None) -> list[File]:
    """The data: not the export itself, whose digest it cannot hold, nor other files that only speak of them."""
    from ..datasets.exports.exported import File
    from ..datasets.metadata import nearby

    case, others = desk.case, {*nearby.inside(found), output}
    plain_files = {path: entry for path, entry in sorted(found.files.items()) if entry.is_file and path not in others}
    known, sizes = case.sha256(plain_files.values()), case.sizes(plain_files.values())
    files = []
    for path, entry in plain_files.items():
        media = card_texts.media_type(path.removesuffix(".dvc"))
        if path.endswith(".dvc"):
            files.append(_kept_by_dvc(path, case.read(entry) or b"", media, found))
            continue
        sha256 = known.get(entry.oid)
        files.append(File(path, sizes.get(entry.oid), media, {"sha256": sha256} if sha256 else {}))
    return files


def _kept_by_dvc(path: str, raw: bytes, media: str | None, found: Dataset) -> File:
    """The data that a `.dvc` file stands for, by the MD5 that it has for them, and the SHA-256 that the card binds to
    that MD5.
    """
    from ..datasets.exports.exported import File
    from ..datasets.metadata.loading import load_yaml

    loaded = load_yaml(raw, frozenset(("outs",)))
    outs = loaded.data.get("outs") if loaded is not None else None
    out = outs[0] if isinstance(outs, list) and len(outs) == 1 and isinstance(outs[0], dict) else {}
    md5, size = str(out.get("md5", "")).strip("'"), out.get("size")
    digests = {"md5": md5} if len(md5) == 32 and all(digit in "0123456789abcdef" for digit in md5) else {}
    content = found.document.data["content"] if found.document is not None and not found.is_folder else {}
    if digests and content.get("md5") == md5 and "sha256" in content["digest"]:
        digests["sha256"] = content["digest"]["sha256"]
    return File(path.removesuffix(".dvc"), size if isinstance(size, int) else None, media, digests)


def _now(git: Git) -> str:
    """The time of an export: SOURCE_DATE_EPOCH, else that of HEAD, so that one state always gives the same bytes."""
    from datetime import datetime, timezone

    given, head = os.environ.get("SOURCE_DATE_EPOCH", ""), git.head()
    seconds = int(given) if given.isascii() and given.isdigit() else git.time_of(head) if head is not None else None
    now = datetime.now(timezone.utc) if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _write(desk: Desk, name: str, output: str, data: bytes) -> None:
    """Write the export. Nothing is lost: a file is only replaced where git has what it holds."""
    old = worktree.read_file(desk.git.root, output)
    if old is not None and name == "huggingface":
        from ..datasets.exports.huggingface import is_readable, merged

        data = merged(data, old)
        if not is_readable(data):
            raise CannotJudge("its front matter is no YAML; nothing was written: mend it first", output)
    if old == data:
        sys.stderr.write(f"{plain(output)} says so already\n")
        return
    if old is not None and old not in _kept(desk, output):
        stage = desk.command("git", "add", RepoPath(output))
        raise CannotJudge(
            f"it holds what git does not have; nothing was written. To keep it, first run: {stage}", output
        )
    worktree.write_file(desk.git.root, output, data)
    sys.stderr.write(f"wrote {plain(output)}\n")
    _tell_content(desk, output)


def _tell_content(desk: Desk, output: str) -> None:
    """Say so where the file that was written counts as content: all files in a folder dataset do but paperwork."""
    card = next((card for card in assets.folder_cards(output) if card in desk.case.after), None)
    if card is None or (assets.is_paperwork(output) and not assets.is_stray(output, desk.case.after)):
        return
    from ..check_dataset_card import add_again

    folder = card.rpartition("/")[0] or "."
    sys.stderr.write(
        f"note: every file in {plain(folder)} is content of that dataset, {plain(output)} too; to record it, run: "
        f"{desk.command(*add_again(desk.case, folder))}\n"
    )


def _kept(desk: Desk, path: str) -> Sequence[bytes | None]:
    found = (case.after.get(path) for case in (desk.case, desk.head))
    return [desk.case.read(entry) if entry is not None and entry.is_file else None for entry in found]
