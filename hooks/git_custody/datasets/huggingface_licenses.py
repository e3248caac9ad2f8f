"""Licence identifiers of the Hugging Face Hub, and what they are as SPDX expressions.

Source: the list in the Hub's documentation, https://huggingface.co/docs/hub/repositories-licenses, with the ids that
the Hub's own search offers besides (read 2026-11). The names look like SPDX ids, and many are; but `gpl-3.0` does not
say whether later versions are meant, `cc` and `bsd` are families, and the terms of `openrail` or `llama3` are in texts
that SPDX does not list.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["exact", "version", "text", "unknown"]


class HubLicense(NamedTuple):
    """What an identifier of the Hub stands for.

    `kind`: exact, `license` is the SPDX id; version, one of `choices` has to be picked by a person; text, `license` is
    a LicenseRef whose text has to be in the tree; unknown, nobody can tell, so that somebody has to look. `message` is
    the rest of a sentence about the identifier.
    """

    kind: Kind
    license: str | None
    choices: tuple[str, ...]
    message: str


_EXACT = """
0BSD AFL-3.0 Apache-2.0 Artistic-2.0 BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear BSL-1.0 C-UDA-1.0:c-uda CC0-1.0
CC-BY-1.0 CC-BY-2.0 CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 CC-BY-SA-2.0 CC-BY-SA-2.5 CC-BY-SA-3.0 CC-BY-SA-4.0
CC-BY-NC-2.0 CC-BY-NC-3.0 CC-BY-NC-4.0 CC-BY-ND-4.0 CC-BY-NC-ND-3.0 CC-BY-NC-ND-4.0
CC-BY-NC-SA-2.0 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0 CDLA-Sharing-1.0 CDLA-Permissive-1.0 CDLA-Permissive-2.0
ECL-2.0 EPL-1.0 EPL-2.0 etalab-2.0 EUPL-1.1 EUPL-1.2 ISC LGPLLR:lgpl-lr LPPL-1.3c MIT MPL-2.0 MS-PL NCSA
ODC-By-1.0:odc-by ODbL-1.0:odbl OFL-1.1 OSL-3.0 PDDL-1.0:pddl PostgreSQL Unlicense WTFPL Zlib
"""
_EITHER = ("gpl-2.0", "gpl-3.0", "lgpl-2.1", "lgpl-3.0", "agpl-3.0")
_FAMILIES = {
    "bsd": ("BSD-2-Clause", "BSD-3-Clause"),
    "cc": ("CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC0-1.0"),
    "gfdl": ("GFDL-1.3-only", "GFDL-1.3-or-later", "GFDL-1.2-or-later"),
    "gpl": ("GPL-3.0-only", "GPL-3.0-or-later", "GPL-2.0-only", "GPL-2.0-or-later"),
    "lgpl": ("LGPL-3.0-only", "LGPL-3.0-or-later", "LGPL-2.1-only", "LGPL-2.1-or-later"),
}
_TEXTS = """
apple-amlr apple-ascl bigcode-openrail-m bigscience-bloom-rail-1.0 bigscience-openrail-m creativeml-openrail-m
deepfloyd-if-license fair-noncommercial-research-license gemma grok2-community h-research intel-research
llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 openmdw-1.0 openmdw-1.1 openrail openrail++
"""


def _table() -> dict[str, HubLicense]:
    table = {}
    for word in _EXACT.split():
        spdx, _, name = word.partition(":")
        table[name or spdx.lower()] = HubLicense("exact", spdx, (), f"is what the Hugging Face Hub calls {spdx}")
    for name in _EITHER:
        stem = name.upper()
        _version(table, name, (f"{stem}-only", f"{stem}-or-later"), "does not say whether later versions are meant")
    for name, choices in _FAMILIES.items():
        _version(table, name, choices, "is a family of licences")
    for name in _TEXTS.split():
        ref = f"LicenseRef-hf-{name.replace('++', '-plus-plus')}"
        said = f"is not on the SPDX list: write {ref}, and put its text at LICENSES/{ref}.txt"
        table[name] = HubLicense("text", ref, (), said)
    said = "names no licence: find out which one it is, or write LicenseRef- and a name of your own for its text"
    table["other"] = table["unknown"] = HubLicense("unknown", None, (), said)
    return table


def _version(table: dict[str, HubLicense], name: str, choices: tuple[str, ...], said: str) -> None:
    table[name] = HubLicense("version", None, choices, f"{said}: write {', '.join(choices[:-1])} or {choices[-1]}")


HUB_LICENSES = _table()


def from_hugging_face(identifier: str) -> HubLicense:
    """What an identifier of the Hub stands for; one that the table lacks is unknown. Case is left out of account."""
    return HUB_LICENSES.get(identifier.strip().lower()) or HUB_LICENSES["unknown"]
