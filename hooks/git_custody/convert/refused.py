"""Why something is not converted, in a form that commands can show."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from git_custody.convert.values import Foreign

_WORD = re.compile(r"\{(?:path|saved|json)\}")


class Refused(Exception):
    """A file that is not converted, because of what is in it.

    `message` is one sentence for a person. `global_name` is the dotted name that only running code could resolve,
    where there is one; `place` the keys that lead to it in the checkpoint (``args.lr``); `how_to_resave` lines
    of Python that save what is needed in a form that can be converted, to be run where the file is trusted; ``{path}``
    in them is the file, ``{saved}`` the new one; ``{json}`` is a new one that needs no conversion.
    """

    def __init__(
        self,
        message: str,
        global_name: str | None = None,
        how_to_resave: tuple[str, ...] = (),
        place: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.global_name = global_name
        self.how_to_resave = how_to_resave
        self.place = place
        # What had not been understood when this was raised: it says more than any damage behind it.
        self.foreign: tuple[Foreign, ...] = ()
        self.loader = ""

    def resaving(self, source: str) -> tuple[list[str], str | None]:
        """The lines of Python that save `source` again, and the file that they make; empty where there are none."""
        is_torch = any("torch." in line for line in self.how_to_resave)
        stem, suffix = os.path.splitext(source)
        saved = f"{stem}-tensors{suffix if is_torch else '.npz'}"
        names = {"{path}": source, "{saved}": saved, "{json}": f"{stem}.json"}
        # In one go: a name may have such a word in it.
        lines = [_WORD.sub(lambda word: _literal(names[word[0]]), line) for line in self.how_to_resave]
        return lines, saved if any("{saved}" in line for line in self.how_to_resave) else None


def _literal(path: str) -> str:
    """A path as Python writes it."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
