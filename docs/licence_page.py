"""The tables of docs/licences.md, from the matrix of licences and from the identifiers of the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterator

from git_custody.datasets.huggingface_licenses import HUB_LICENSES
from git_custody.datasets.license_terms import TABLE

_MATRIX = ("<!-- matrix: begin -->", "<!-- matrix: end -->")
_HUB = ("<!-- hub: begin -->", "<!-- hub: end -->")


def licence_page(text: str) -> str:
    """docs/licences.md with its tables renewed."""
    return _renewed(_renewed(text, _MATRIX, _matrix()), _HUB, _hub())


def _renewed(text: str, marks: tuple[str, str], lines: Iterator[str]) -> str:
    begin, end = marks
    if begin not in text:
        return text
    before, _, rest = text.partition(begin)
    table = "".join(f"{line}\n" for line in lines)
    return f"{before}{begin}\n\n{table}\n{end}{rest.partition(end)[2]}"


def _matrix() -> Iterator[str]:
    heads = ("licence", "commercial use", "derived data may be shared", "derived data stay under", "credit asked for",
             "database right", "forbids uses", "leaves models free")  # fmt: skip
    yield f"| {' | '.join(heads)} |"
    yield "|---|---|---|---|---|---|---|---|"
    for glob, terms in TABLE:
        answers = (terms.commercial, terms.derivatives, terms.share_alike, terms.attribution, terms.database_right,
                   terms.use_restrictions, terms.results_free)  # fmt: skip
        yield f"| `{glob}` | {' | '.join(_cell(answer) for answer in answers)} |"


def _cell(answer: bool | str | None) -> str:
    return {True: "yes", False: "no", None: ""}.get(answer, f"its family, {answer}")  # type: ignore[arg-type]


def _hub() -> Iterator[str]:
    yield "| on the Hub | in a data card |"
    yield "|---|---|"
    for name, meant in sorted(HUB_LICENSES.items()):
        written = ", ".join(f"`{word}`" for word in ([meant.license] if meant.license else meant.choices))
        said = {
            "exact": written, "version": f"one of {written}", "text": f"{written}, with its text",
            "unknown": "for a person to find out",
        }[meant.kind]  # fmt: skip
        yield f"| `{name}` | {said} |"
