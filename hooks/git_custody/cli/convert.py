"""`git custody convert`: a pickled checkpoint to safetensors, without executing anything in it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from ..core.findings import CannotJudge
from ..core.report import plain, quote, sentence
from . import parser

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..convert.conversion import Result
    from ..convert.refused import Refused
    from ..convert.verify import Verification

_ABOUT = """\
Convert a checkpoint that is a pickle to safetensors: PyTorch's files, also old ones and such in several parts (SRC is
the index then), NumPy's .npy and .npz, pickles and joblib files of arrays. Nothing in it is executed, and PyTorch
is not needed.

Tensors stay the same, byte for byte. Everything else goes whole to a JSON file beside the result, or the command
refuses and says why. Works outside of repositories, too."""

_NO_BACK_DOORS = "This removed code, not back doors: what the model was trained to do is the same as before.\n"
_WORTH_TELLING = 64 * 1024 * 1024
_SHOWN_AT_MOST = 5


def main(argv: Sequence[str]) -> int:
    """Convert or verify; the exit code is 0, 1 (a checkpoint that is refused, or not the same any more) or 2 (no
    checkpoint, or a file that cannot be read or written).
    """
    arguments = parser("convert", _ABOUT)
    arguments.add_argument("source", metavar="SRC", help="the checkpoint, or the index of one in several files")
    arguments.add_argument("destination", nargs="?", metavar="DST", help="default: SRC with .safetensors")
    arguments.add_argument("--optimizer", action="store_true", help="keep the tensors of optimisers, too")
    arguments.add_argument("--force", action="store_true", help="replace files that are there with other content")
    arguments.add_argument("--check", action="store_true", help="write nothing; verify an earlier conversion")
    arguments.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    given = arguments.parse_args(argv)
    if given.format == "text":
        return _verify(given, as_json=False) if given.check else _convert(given, as_json=False)
    try:
        return _verify(given, as_json=True) if given.check else _convert(given, as_json=True)
    except CannotJudge as error:
        _show_json(given, 2, errors=[{"message": error.message, "path": error.path}])
        return 2


def _convert(given: Any, *, as_json: bool) -> int:
    from ..convert import Refused, convert
    from ..core.output import show

    progress = _Progress(given.source)
    try:
        result = convert(
            given.source, given.destination, optimizer=given.optimizer, replace=given.force, progress=progress
        )
    except Refused as refused:
        progress.clear()
        if as_json:
            _show_json(given, 1, refused=_refused_as_json(refused, given.source))
        else:
            show("".join(f"{line}\n" for line in _told_why_not(refused, given.source)))
        return 1
    finally:
        progress.clear()
    if as_json:
        _show_json(given, 0, result=_result_as_json(result))
    else:
        show("".join(f"{line}\n" for line in _told(result, given.source)) + _NO_BACK_DOORS)
    return 0


def _told(result: Result, source: str) -> Iterator[str]:
    """What was written, and what was not."""
    state = "" if result.is_new else " (it was there already, the very same)"
    yield f"{plain(result.output)}: {_tensors(result.tensors, result.bytes)}, from {plain(source)}{state}"
    if result.shards:
        yield f"    files   {len(result.shards)}, the last one {plain(result.shards[-1])}"
    rest = "what else was in it, and the digests of both" if result.has_rest else "the digests of both"
    yield f"    record  {plain(result.record)}: {rest}"
    for left in result.left_out:
        place = plain(left.place) or "the optimiser"
        yield f"    left    {place}: {_tensors(left.tensors, left.bytes)} of an optimiser; --optimizer keeps them"
    for group in result.tied[:_SHOWN_AT_MOST]:
        yield f"    tied    {', '.join(map(plain, group))}: one tensor, written under each name"
    if len(result.tied) > _SHOWN_AT_MOST:
        yield f"    tied    and {len(result.tied) - _SHOWN_AT_MOST} more groups, which the record lists"
    for how in sorted(set(result.stored_as.values())):
        names = [name for name, stored in result.stored_as.items() if stored == how]
        yield f"    stored  {', '.join(map(plain, names[:_SHOWN_AT_MOST]))}: {how}"


def _tensors(count: int, size: int) -> str:
    return f"{count} tensor{'s' if count != 1 else ''}, {size_in_words(size)}"


def size_in_words(length: int) -> str:
    """A number of bytes, in the unit that suits it."""
    amount = float(length)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{length} bytes"


def _told_why_not(refused: Refused, source: str) -> Iterator[str]:
    yield f"{plain(source)}: not converted: {sentence(refused.message)}"
    lines, saved = refused.resaving(source)
    if lines:
        yield "    to save what is needed in another way, in Python, if you trust the file:"
        yield from (f"      {sentence(line)}" for line in lines)
        if saved is not None:
            yield "    and then:"
            yield f"      git custody convert {'-- ' if saved.startswith('-') else ''}{quote(saved)}"
    elif refused.global_name is not None:
        yield "    do not load it: ask whoever published it for safetensors"
    yield "Nothing was written."


def _verify(given: Any, *, as_json: bool) -> int:
    from ..convert.verify import verify
    from ..core.output import show

    found = verify(given.source, given.destination)
    code = 1 if found.problems else 0
    if as_json:
        _show_json(given, code, verified=_verification_as_json(found))
    else:
        show("".join(f"{line}\n" for line in _told_of(found)))
    return code


def _told_of(found: Verification) -> Iterator[str]:
    for path, problem in found.problems:
        yield f"{plain(path)}: {sentence(problem)}"
    if found.problems:
        yield f"{plain(found.output)} is not what {plain(found.record)} says."
    elif found.has_source:
        count = "1 tensor equals its" if found.tensors == 1 else f"{found.tensors} tensors equal their"
        yield f"{plain(found.output)}: its digest is the recorded one, and {count} source"
    else:
        yield (
            f"{plain(found.output)}: its digest is the recorded one; the source is not there any more, so that its "
            "tensors could not be compared"
        )


class _Progress:
    """A line on a terminal while something large is written."""

    def __init__(self, source: str) -> None:
        self._name = plain(os.path.basename(source))
        self._shown = -1

    def __call__(self, done: int, total: int) -> None:
        percent = 100 * done // total
        if percent != self._shown and total >= _WORTH_TELLING and sys.stderr is not None and sys.stderr.isatty():
            self._shown = percent
            sys.stderr.write(f"\r{self._name}: {percent:3} %")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._shown >= 0:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = -1


# ---------------------------------------------------------------------- for programs


def _show_json(given: Any, code: int, **parts: object) -> None:
    import json

    from .. import __version__
    from ..core.output import show

    made = {
        "schema_version": 1,
        "tool": {"name": "git-custody", "version": __version__},
        "exit_code": code,
        "source": plain(given.source),
        **({"result": None, "refused": None} if not given.check else {"verified": None}),
        "errors": [],
        **parts,
    }
    show(json.dumps(made, indent=2) + "\n")


def _result_as_json(result: Result) -> dict[str, object]:
    return {
        "output": plain(result.output),
        "record": plain(result.record),
        "shards": [plain(shard) for shard in result.shards],
        "source_sha256": result.source.sha256,
        "output_sha256": result.sha256,
        "tensors": result.tensors,
        "bytes": result.bytes,
        "left_out": [left._asdict() for left in result.left_out],
        "tied": [list(names) for names in result.tied],
        "stored_as": result.stored_as,
        "is_new": result.is_new,
    }


def _refused_as_json(refused: Refused, source: str) -> dict[str, object]:
    lines, _ = refused.resaving(source)
    return {
        "message": refused.message,
        "global": refused.global_name,
        "place": refused.place,
        "how_to_resave": lines,
    }


def _verification_as_json(found: Verification) -> dict[str, object]:
    return {
        "output": plain(found.output),
        "record": plain(found.record),
        "problems": [{"path": plain(path), "message": problem} for path, problem in found.problems],
        "has_source": found.has_source,
        "tensors": found.tensors,
    }
