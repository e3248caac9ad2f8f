"""Write hooks/git_custody/datasets/subtags.txt from the IANA Language Subtag Registry (RFC 5646, section 3).

Usage: python docs/subtags.py FOLDER

FOLDER is that of the npm package language-subtag-registry (CC0-1.0), which holds the registry as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TABLE = Path(__file__).resolve().parent.parent / "hooks" / "git_custody" / "datasets" / "subtags.txt"


def lines(records: list[dict[str, Any]], day: str) -> Iterator[str]:
    """The table, line by line: a kind and its subtags; then, for the short ones, their names."""
    yield f"# IANA Language Subtag Registry of {day}, https://www.iana.org/assignments/language-subtag-registry"
    yield "# Private ranges are left out. Written by docs/subtags.py."
    for kind in ("language", "script", "region", "variant"):
        found = (record["Subtag"] for record in records if record["Type"] == kind)
        yield " ".join((kind, *sorted(subtag for subtag in found if ".." not in subtag)))
    extended = (f"{record['Prefix'][0]}-{record['Subtag']}" for record in records if record["Type"] == "extlang")
    yield " ".join(("extlang", *sorted(extended)))
    yield " ".join(("grandfathered", *sorted(r["Tag"] for r in records if r["Type"] == "grandfathered")))
    for record in records:
        subtag = record.get("Subtag", "")
        if record["Type"] in ("language", "region") and len(subtag) == 2 and "Deprecated" not in record:
            yield from (f"{subtag}\t{name}" for name in record["Description"])


def main(folder: str) -> None:
    """Read the package, write the table."""
    data = Path(folder) / "data" / "json"
    day = json.loads((data / "meta.json").read_text("utf-8"))["File-Date"]
    records = json.loads((data / "registry.json").read_text("utf-8"))
    TABLE.write_text("".join(f"{line}\n" for line in lines(records, day)), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
