"""Good cards at random, with a file or a folder of them, for tests of what is written from cards."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from git_custody.datasets.exports.exported import Exported, File

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=3, max_size=12)
TEXT = st.lists(WORDS, min_size=2, max_size=6).map(" ".join)
DAY = st.dates().filter(lambda day: day.year > 1900).map(str)
HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
NAME = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="/\\:?#*%[]{}"),
    min_size=1,
    max_size=8,
)
LICENSES = (
    "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-NC-ND-4.0", "MIT", "ODbL-1.0", "ODC-By-1.0", "PDDL-1.0",
    "CDLA-Permissive-2.0", "Apache-2.0", "GPL-3.0-only", "GPL-2.0-or-later", "MIT OR Apache-2.0",
    "CC-BY-4.0 AND ODbL-1.0", "GPL-2.0-only WITH Classpath-exception-2.0", "LicenseRef-Lab", "LicenseRef-hf-gemma",
)  # fmt: skip


@st.composite
def cards(draw: st.DrawFn, *, folder: bool) -> dict[str, Any]:
    source: dict[str, Any] = {
        "kind": draw(st.sampled_from(("original", "licensed-third-party"))),
        "publisher": draw(TEXT),
    }
    if draw(st.booleans()):
        path = draw(st.text("abcxyz0189-", min_size=1, max_size=8))
        source |= {"kind": "public-download", "url": f"https://example.org/{path}", "retrieved": draw(DAY)}
    optional = {
        "description": TEXT, "data_version": st.from_regex(r"[0-9]{1,2}\.[0-9]\.[0-9]", fullmatch=True),
        "language": st.lists(st.sampled_from(("de", "en", "pt-BR", "zh-Hant")), min_size=1, unique=True),
        "modality": st.lists(st.sampled_from(("text", "image", "numeric")), min_size=1, unique=True),
        "collection": st.fixed_dictionaries({"method": st.just("sensor"), "description": TEXT, "period": st.fixed_dictionaries({"start": DAY, "end": DAY})}),
        "derived_from": st.just([{"url": "https://huggingface.co/datasets/a/b", "relation": "filter"}]),
        "processing": st.lists(st.fixed_dictionaries({"step": TEXT}, optional={"tool": TEXT}), min_size=1, max_size=3, unique_by=str),
        "annotation": st.fixed_dictionaries({"creators": st.just(["crowdsourced"])}, optional={"protocol": TEXT, "platform": TEXT}),
        "attribution": TEXT, "rights_holders": st.lists(TEXT, min_size=1, max_size=2, unique_by=str),
        "personal_data": st.sampled_from(("none", "anonymised", "personal", "special-category")),
        "data_categories": st.just(["pii", "children"]), "confidentiality": st.sampled_from(("clear", "green", "amber", "red")),
        "anonymisation": st.lists(st.fixed_dictionaries({"method": TEXT}), min_size=1, max_size=2, unique_by=str),
        "intended_use": TEXT, "known_bias": TEXT, "limitations": TEXT,
        "license_evidence": st.just({"url": "https://example.org/license", "captured": "2026-01-02", "stated_by": "upstream"}),
        "stewards": st.lists(st.fixed_dictionaries({"role": st.sampled_from(("owner", "steward", "custodian")), "contact": TEXT}), min_size=1, max_size=3, unique_by=str),
        "maintenance": st.fixed_dictionaries({"live": st.booleans(), "cadence": TEXT}),
    }  # fmt: skip
    source |= draw(st.fixed_dictionaries({}, optional={"published": DAY}))
    return {
        "kind": "data-card", "version": 1, "id": draw(st.from_regex("[a-z][a-z0-9-]{1,12}", fullmatch=True)),
        "title": draw(TEXT), "source": source, "license": draw(st.sampled_from(LICENSES)),
        "content": {"digest": {"dirHash" if folder else "sha256": draw(HEX)}, "bytes": draw(st.integers(0, 2**40))},
        **draw(st.fixed_dictionaries({}, optional=optional)),
    }  # fmt: skip


@st.composite
def exports(draw: st.DrawFn) -> Exported:
    folder = draw(st.booleans())
    card = draw(cards(folder=folder))
    if not folder:
        path = f"data/{draw(NAME)}.csv"
        file = File(path, card["content"]["bytes"], "text/csv", dict(card["content"]["digest"]))
        return Exported(card, path, False, (file,), "data", "2026-01-02T03:04:05Z")
    names = draw(st.lists(NAME, min_size=1, max_size=4, unique_by=str.casefold))
    files = tuple(File(f"data/set/{name}.txt", 3, "text/plain", {"sha256": draw(HEX)}) for name in sorted(names))
    return Exported(card, "data/set", True, files, "data/set", "2026-01-02T03:04:05Z")
