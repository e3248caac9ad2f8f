"""What licences of data ask for, as far as it concerns data and models that are made of them. This is no legal advice.

Read from the licences' own texts and their stewards' summaries; docs/licences.md names each source. A licence that is
not in the table is unknown, which is never taken for permission.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple


class Terms(NamedTuple):
    """The terms of one licence.

    `commercial` and `derivatives`: whether commercial use, and sharing of what is made of the data, are allowed.
    `share_alike`: the family of licences that derived data have to stay in, None where there is none.
    `attribution`: whether credit has to be given. `database_right`: whether the licence also speaks of the right of
    the maker of a database (EU directive 96/9/EC). `use_restrictions`: whether it forbids some uses, and asks that
    they be forbidden to others.
    """

    commercial: bool = True
    derivatives: bool = True
    share_alike: str | None = None
    attribution: bool = True
    database_right: bool = False
    use_restrictions: bool = False
    results_free: bool = False


_FREE = Terms(attribution=False, results_free=True)
_FREE_DATA = _FREE._replace(database_right=True)
_CREDIT_DATA = Terms(database_right=True)


def _creative_commons(kind: str) -> list[tuple[str, Terms]]:
    parts = kind.split("-")
    terms = Terms(
        commercial="NC" not in parts,
        derivatives="ND" not in parts,
        share_alike=f"CC-{kind}" if "SA" in parts else None,
        attribution="BY" in parts,
    )
    # Before version 4.0, only some of the ports speak of the right of database makers.
    return [(f"CC-{kind}-4.0", terms._replace(database_right=True)), (f"CC-{kind}-[123].*", terms)]


# The first that fits counts.
TABLE: tuple[tuple[str, Terms], ...] = (
    ("CC0-1.0", _FREE_DATA),
    ("CC-PDDC", _FREE),
    ("CC-PDM-1.0", _FREE),
    *_creative_commons("BY"),
    *_creative_commons("BY-SA"),
    ("CC-SA-1.0", Terms(share_alike="CC-SA", attribution=False)),
    *_creative_commons("BY-NC"),
    *_creative_commons("BY-NC-SA"),
    *_creative_commons("BY-ND"),
    *_creative_commons("BY-NC-ND"),
    ("PDDL-1.0", _FREE_DATA),
    ("ODC-By-1.0", _CREDIT_DATA),
    ("ODbL-1.0", Terms(share_alike="ODbL", database_right=True)),
    ("CDLA-Permissive-1.0", _CREDIT_DATA._replace(results_free=True)),
    ("CDLA-Permissive-2.0", _FREE),
    ("CDLA-Sharing-1.0", Terms(share_alike="CDLA-Sharing", database_right=True, results_free=True)),
    ("O-UDA-1.0", Terms(results_free=True)),
    ("C-UDA-1.0", Terms(share_alike="C-UDA", use_restrictions=True, results_free=True)),
    ("OGL-UK-[123].0", _CREDIT_DATA),
    ("OGL-Canada-2.0", Terms()),
    ("NLOD-[12].0", _CREDIT_DATA),
    ("etalab-2.0", _CREDIT_DATA),
    ("DL-DE-BY-2.0", Terms()),
    ("DL-DE-ZERO-2.0", _FREE),
    ("0BSD", _FREE),
    ("MIT-0", _FREE),
    ("Unlicense", _FREE),
    ("WTFPL", _FREE),
    ("MIT", Terms()),
    ("Apache-2.0", Terms()),
    ("BSD-2-Clause", Terms()),
    ("BSD-3-Clause", Terms()),
    ("BSD-3-Clause-Clear", Terms()),
    ("BSL-1.0", Terms()),
    ("ISC", Terms()),
    ("NCSA", Terms()),
    ("PostgreSQL", Terms()),
    ("Zlib", Terms()),
    ("AGPL-3.0-*", Terms(share_alike="AGPL")),
    ("GPL-[123].0-*", Terms(share_alike="GPL")),
    ("LGPL-2.[01]-*", Terms(share_alike="LGPL")),
    ("LGPL-3.0-*", Terms(share_alike="LGPL")),
    ("LGPLLR", Terms(share_alike="LGPLLR")),
    ("GFDL-1.[123]-no-invariants-*", Terms(share_alike="GFDL")),
    ("EUPL-1.[12]", Terms(share_alike="EUPL")),
    ("MPL-2.0", Terms(share_alike="MPL")),
    ("OSL-3.0", Terms(share_alike="OSL")),
    ("LicenseRef-hf-openrail*", Terms(use_restrictions=True)),
    ("LicenseRef-hf-creativeml-openrail-m", Terms(use_restrictions=True)),
    ("LicenseRef-hf-bigscience-*", Terms(use_restrictions=True)),
    ("LicenseRef-hf-bigcode-openrail-m", Terms(use_restrictions=True)),
    ("LicenseRef-hf-llama[234]", Terms(use_restrictions=True)),
    ("LicenseRef-hf-llama3.[123]", Terms(use_restrictions=True)),
    ("LicenseRef-hf-gemma", Terms(use_restrictions=True)),
    ("LicenseRef-hf-deepfloyd-if-license", Terms(commercial=False, use_restrictions=True)),
    ("LicenseRef-hf-apple-amlr", Terms(commercial=False, use_restrictions=True)),
    ("LicenseRef-hf-fair-noncommercial-research-license", Terms(commercial=False, use_restrictions=True)),
)


@lru_cache(maxsize=1024)
def terms_of(spdx_id: str) -> Terms | None:
    """The terms of a licence, by its id as SPDX spells it; None for one that is not in the table."""
    base = spdx_id.removesuffix("+")
    return next((terms for glob, terms in TABLE if fnmatchcase(base.lower(), glob.lower())), None)
