"""Why something is not converted, in a form that commands can show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from git_custody.convert.values import Foreign


class Refused(Exception):
    """A file that is not converted, because of what is in it.

    `message` is one sentence for a person. `global_name` is the dotted name that only running code could resolve,
    where there is one; `place` the keys that lead to it in the checkpoint (``args.lr``); `how_to_resave` lines
    of Python that save what is needed in a form that can be converted, to be run where the file is trusted; ``{path}``
    in them is the file, ``{saved}`` the new one.
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
