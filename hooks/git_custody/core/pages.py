"""Where the pages of the documentation are: who has installed the package has none of them as a file."""

from __future__ import annotations

import re

from .. import __version__

HOME = "https://github.com/git-custody/git-custody"


def page(name: str) -> str:
    """The address of a page of this version, such as that of "waivers"."""
    return f"{HOME}/blob/v{__version__}/docs/{name}.md"


def linked(text: str) -> str:
    """A text of our own, which names pages as the repository has them, with their addresses."""
    return re.sub(r"(?<![\w/])docs/([a-z-]+)\.md", lambda found: page(found[1]), text)
