"""What is meant by a name in `formats.allow` that is no id of a format which the list is about."""

from __future__ import annotations

import re

from ..core.documents import nearest
from .catalog import FORMATS, PICKLES, Format, format_of

# Besides their ids: libraries whose models are pickles unless they are exported, and their suffixes.
_PICKLES = (
    *PICKLES, "pkl", "torch", "pytorch", "pt", "pth", "joblib", "dill", "cloudpickle", "sklearn", "scikit-learn",
)  # fmt: skip
# More than these have no more in common than a word such as "model".
_MEANT_AT_MOST = 5


def why_not(name: str) -> str:
    """What is wrong with a name in `formats.allow`, and what to write or do instead; "" where nothing is."""
    models = {known.id: known for known in FORMATS if known.is_model}
    if name in models:
        return ""
    said = f'formats.allow names "{name}"'
    asked = name.lower().lstrip(".")
    meant = [known.id for known in models.values() if asked in _words(known)]
    if asked in (*models, *_PICKLES):
        meant = [asked]
    elif not meant and (known := format_of(asked)):
        return (
            f"{said} ({known.title}), which this list is not about: such a file passes unless it holds code, and then "
            "no list allows it; a waiver can admit a single file (git custody waive)"
        )
    elif not 0 < len(meant) <= _MEANT_AT_MOST:
        meant = [near] if (near := nearest(asked, (*_PICKLES, *models))) else []
    if meant and meant[0] in _PICKLES:
        return (
            f"{said}: those are pickles, which no list allows, because loading one runs code; keep tensors in "
            "safetensors (git custody convert), models of scikit-learn in skops, or waive a single file "
            "(git custody waive)"
        )
    if not meant:
        return f"{said}, which is no format of models; there are {', '.join(models)}"
    return f"{said}, which is no format of models; did you mean " + " or ".join(f'"{other}"' for other in meant) + "?"


def _words(known: Format) -> set[str]:
    """What a format may be called in a word: the parts of its id and title, and its suffixes."""
    words = re.split(r"[^a-z0-9]+", f"{known.id} {known.title}".lower())
    return {*words, *(suffix.rpartition(".")[2] for suffix in (*known.suffixes, *known.names))}
