"""Licences as other standards write them, to SPDX and back: by explicit tables, and only where that is exact.

URLs: https://spdx.org/licenses/, https://creativecommons.org/licenses/, https://opendatacommons.org/licenses/.
"""

from __future__ import annotations

import re

_URLS = {
    "creativecommons.org/publicdomain/zero/1.0": "CC0-1.0",
    "creativecommons.org/publicdomain/mark/1.0": "CC-PDM-1.0",
    "opendatacommons.org/licenses/odbl/1-0": "ODbL-1.0",
    "opendatacommons.org/licenses/odbl/1.0": "ODbL-1.0",
    "opendatacommons.org/licenses/by/1-0": "ODC-By-1.0",
    "opendatacommons.org/licenses/by/1.0": "ODC-By-1.0",
    "opendatacommons.org/licenses/pddl/1-0": "PDDL-1.0",
    "opendatacommons.org/licenses/pddl/1.0": "PDDL-1.0",
    # There has been one version of each only.
    "opendatacommons.org/licenses/odbl": "ODbL-1.0",
    "opendatacommons.org/licenses/by": "ODC-By-1.0",
    "opendatacommons.org/licenses/pddl": "PDDL-1.0",
    "cdla.dev/permissive-1-0": "CDLA-Permissive-1.0",
    "cdla.dev/permissive-2-0": "CDLA-Permissive-2.0",
    "cdla.dev/sharing-1-0": "CDLA-Sharing-1.0",
    "apache.org/licenses/license-2.0": "Apache-2.0",
    "opensource.org/licenses/mit": "MIT",
    "opensource.org/license/mit": "MIT",
    "opensource.org/licenses/apache-2.0": "Apache-2.0",
    "opensource.org/license/apache-2-0": "Apache-2.0",
    "opensource.org/licenses/bsd-3-clause": "BSD-3-Clause",
    "opensource.org/licenses/bsd-2-clause": "BSD-2-Clause",
    "nationalarchives.gov.uk/doc/open-government-licence/version/1": "OGL-UK-1.0",
    "nationalarchives.gov.uk/doc/open-government-licence/version/2": "OGL-UK-2.0",
    "nationalarchives.gov.uk/doc/open-government-licence/version/3": "OGL-UK-3.0",
    "govdata.de/dl-de/by-2-0": "DL-DE-BY-2.0",
    "govdata.de/dl-de/zero-2-0": "DL-DE-ZERO-2.0",
}
# Other names, of those that leave no version open: the ids of Open Definition and CKAN, and what people write.
_NAMES = {
    "odc-pddl": "PDDL-1.0", "odc-pddl-1.0": "PDDL-1.0", "odc-odbl": "ODbL-1.0", "odc-odbl-1.0": "ODbL-1.0",
    "odc-by": "ODC-By-1.0", "cc-zero": "CC0-1.0", "cc0": "CC0-1.0", "odbl": "ODbL-1.0", "pddl": "PDDL-1.0",
}  # fmt: skip
_SPDX = re.compile(r"spdx\.org/licenses/([a-z0-9.+-]+?)(?:\.html|\.json)?\Z", re.IGNORECASE)
_CREATIVE_COMMONS = re.compile(
    r"creativecommons\.org/licenses/(by(?:-nc)?(?:-nd|-sa)?)/([1-4]\.[05])(?:/([a-z]{2,3}|igo))?"
    r"(?:/(?:deed|legalcode)(?:\.[a-z_-]+)?)?\Z",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"https?://(?:www\.)?([^?#\s]+)", re.IGNORECASE)


def spdx_of(text: str) -> str | None:
    """The SPDX expression that a text or an address stands for, in SPDX's own spelling; None where none is exact. In an
    id, blanks may stand for hyphens: `CC BY 4.0`.
    """
    text = text.strip()
    address = _ADDRESS.match(text)
    if address is not None:
        return _known(_from_address(address[1].rstrip("/")))
    return _known(_NAMES.get(text.lower(), text)) or _known(re.sub(" +", "-", text))


def address_of(expression: str) -> str:
    """The address by which JSON-LD names a licence: that of SPDX's list, and the text itself where it is not one id."""
    from ..licenses import check_license

    is_id = re.fullmatch("[A-Za-z0-9.-]+", expression) is not None and not expression.startswith("LicenseRef-")
    if not is_id or check_license(expression, (), (), ()).status == "invalid":
        return expression
    return f"https://spdx.org/licenses/{_known(expression) or expression}.html"


def ids_of(expression: str) -> frozenset[str]:
    """The licence ids in an expression, in lower case, without what only says how they are joined."""
    words = re.findall(r"[A-Za-z0-9.+:-]+", expression)
    return frozenset(_current(word) for word in words if word.upper() not in ("AND", "OR", "WITH"))


def _current(name: str) -> str:
    """An id without what says whether later versions are meant: SPDX renamed GPL-2.0 to GPL-2.0-only."""
    return re.sub(r"(?:-only|-or-later|\+)\Z", "", name.lower())


def _from_address(address: str) -> str | None:
    if found := re.search(r"choosealicense\.com/licenses/([a-z0-9.-]+)\Z", address, re.IGNORECASE):
        # Croissant from the Hub puts the Hub's own ids there, whether such a page exists or not.
        from ..huggingface_licenses import from_hugging_face

        known = from_hugging_face(found[1])
        return known.license if known.kind == "exact" else None
    page = r"(?:/(?:deed|legalcode)(?:\.[a-z_-]+)?|/summary|/index\.html|\.html|\.txt)\Z"
    if exact := _URLS.get(re.sub(page, "", address.lower())):
        return exact
    if found := re.search(r"opendefinition\.org/licenses/([a-z0-9.-]+)\Z", address, re.IGNORECASE):
        return _NAMES.get(found[1].lower())
    if found := _SPDX.search(address):
        return found[1]
    if found := _CREATIVE_COMMONS.search(address):
        country = f"-{found[3].upper()}" if found[3] else ""
        return f"CC-{found[1].upper()}-{found[2]}{country}"
    return None


def _known(text: str | None) -> str | None:
    if not text or len(text) > 1000:
        return None
    from ..licenses import check_license

    verdict = check_license(text, (), (), ())
    return None if verdict.status == "invalid" else verdict.suggestion or text
