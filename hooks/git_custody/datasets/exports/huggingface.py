"""A data card as the front matter of a Hugging Face dataset card.

Fields: https://github.com/huggingface/hub-docs/blob/main/datasetcard.md and huggingface_hub's `DatasetCardData`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..metadata.license_names import address_of
from .exported import Exported, Rendered, parents, without_nothing

if TYPE_CHECKING:
    from collections.abc import Container


def render(exported: Exported) -> Rendered:
    """The card as front matter, between its two fences."""
    import yaml

    card = exported.card
    paths = [exported.from_base(file.path) for file in exported.files] if not exported.is_folder else []
    # Paths of the Hub are globs.
    plain = [path for path in paths if not path.startswith("..") and re.fullmatch(r"[^*?\[\]{}\\]+", path)]
    fields = without_nothing({
        **_license(card["license"], exported),
        "language": card.get("language"),
        "pretty_name": card["title"],
        "annotations_creators": card.get("annotation", {}).get("creators"),
        "source_datasets": _sources(exported),
        "configs": [{"config_name": "default", "data_files": path} for path in plain],
    })  # fmt: skip
    text = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=1000)
    return Rendered(f"---\n{text}---\n".encode())


def merged(rendered: bytes, old: bytes) -> bytes:
    """A README.md with its front matter renewed: its text and the fields that a card does not have stay."""
    from ..metadata.huggingface import languages
    from ..metadata.loading import front_matter

    matter = front_matter(old)
    if matter is None:
        return rendered + b"\n" + old.removeprefix(b"\xef\xbb\xbf")
    fresh = rendered.removesuffix(b"---\n")
    # Beside the languages there may be tags such as `code`.
    if languages(rendered) == languages(old) and re.search(rb"(?m)^language[ \t]*:", matter):
        fresh = _without(fresh, {b"language"})
    ours = set(re.findall(rb"(?m)^([a-z_]+):", fresh))
    ours |= {b"license_name", b"license_link", *(name + b"s" for name in ours)}  # the plural is what it was before
    kept = _without(b"\n".join(matter.splitlines()[1:]), ours)
    rest = re.split(rb"(?m)^(?:---|\.\.\.)[ \t]*\r?$\n?", old, maxsplit=2)[-1]
    return fresh + kept + b"---\n" + rest


def _without(matter: bytes, names: Container[bytes]) -> bytes:
    """Front matter without some of its fields."""
    kept, keep = [], True
    for line in matter.splitlines():
        key = re.match(rb"([A-Za-z_][A-Za-z0-9_-]*)[ \t]*:(?:[ \t]|\Z)", line)
        keep = key[1] not in names if key else keep
        kept += [line + b"\n"] if keep else []
    return b"".join(kept)


def is_readable(readme: bytes) -> bool:
    """Whether the front matter of a README.md is YAML: the Hub reads all of it, or nothing."""
    import yaml

    from ..metadata.loading import front_matter

    matter = (front_matter(readme) or b"").decode()
    try:
        for _ in yaml.parse(matter, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            pass
    except (yaml.YAMLError, ValueError):
        return False
    return True


def _license(expression: str, exported: Exported) -> dict[str, Any]:
    from ..huggingface_licenses import HUB_LICENSES

    for name, known in HUB_LICENSES.items():
        if known.license == expression and known.kind in ("exact", "text"):
            return {"license": name}
    address = address_of(expression)
    link = address if address != expression else next(iter(map(exported.from_base, exported.license_texts)), None)
    return {"license": "other", "license_name": expression, "license_link": link}


def _sources(exported: Exported) -> list[str]:
    if exported.source["kind"] == "original":
        return ["original"]
    hub = (re.match(r"https://huggingface\.co/datasets/([^/?#]+/[^/?#]+)", url) for url in parents(exported.card))
    return list(dict.fromkeys(f"extended|{found[1]}" if found else "extended|other" for found in hub))
