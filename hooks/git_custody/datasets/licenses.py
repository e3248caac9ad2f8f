"""What an SPDX licence expression says, and what the policy says to it.

license-expression parses. It is asked for the structure alone, since its own symbol table takes names such as
`GPL 2.0` and `LicenseRef-MIT-TC` for something else than what was written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from ..core.metadata import nearest
from .huggingface_licenses import HUB_LICENSES

MAX_LENGTH = 1000
MAX_PARENTHESES = 50
# Of AND over many ORs there are exponentially many.
MAX_BRANCHES = 16

Status = Literal["ok", "invalid", "denied", "review"]
_WORSE: dict[str, int] = {"ok": 0, "review": 1, "denied": 2, "invalid": 3}
_OWN = re.compile(r"LicenseRef-[A-Za-z0-9.-]+\Z")
# Aliases that license-expression's index holds as if they were ids.
_NEVER_SPDX = ("BSD-2", "GPL", "Verbatim-man-pages")
_HOW = "write ids joined by AND, OR or WITH, such as MIT OR Apache-2.0"
_HINT = "for a licence that SPDX does not list, write LicenseRef- and a name of your own"


class LicenseVerdict(NamedTuple):
    """What becomes of a licence expression.

    `status`: ok; invalid, not an SPDX expression; denied, by the policy; review, neither allowed nor denied.
    `message` is a sentence for a person. `suggestion` is the whole expression as it was probably meant. `branch` is
    what the verdict rests on: where there are alternatives, the chosen one.
    """

    status: Status
    message: str
    suggestion: str | None
    branch: str = ""


class _Known(NamedTuple):
    """Ids of the SPDX list: lower case to (id as SPDX spells it, id that replaced it or itself)."""

    licenses: dict[str, tuple[str, str]]
    exceptions: dict[str, tuple[str, str]]


def check_license(expression: str, allow: Sequence[str], deny: Sequence[str], review: Sequence[str]) -> LicenseVerdict:
    """Judge an SPDX licence expression (SPDX 3.0, annex B) by a policy's globs of licence ids.

    Of alternatives joined by OR the best counts, of parts joined by AND the worst; a licence WITH an
    exception is looked up as a pair first, then by the licence. Deny wins over review, review over allow.
    Where `allow` is not empty, what is on no list is for review; so is any LicenseRef that no list names.
    SPDX ids have no case: another spelling is valid, and `suggestion` has the usual one. Never raises.
    """
    verdict = _check(expression.strip(" "), allow, deny, review)
    if verdict.status == "invalid" and (meant := HUB_LICENSES.get(expression.strip().lower())):
        return LicenseVerdict("invalid", f'"{expression.strip()}" {meant.message}', meant.license)
    return verdict


def _check(text: str, allow: Sequence[str], deny: Sequence[str], review: Sequence[str]) -> LicenseVerdict:
    if fault := _odd_text(text):
        return _not_spdx(text, fault)
    tree = _parse(text)
    if tree is None:
        return _not_spdx(text, f'"{_cut(text)}" is not an SPDX expression')
    known = _known()
    written = _atoms(tree)
    if wrong := _unknown(written, known):
        return _wrong_id(text, wrong, known)
    judged = _judge(tree, known, tuple(allow), tuple(deny), tuple(review))
    usual = _respelled(text, known)
    return LicenseVerdict(judged.status, judged.message, usual if usual != text else None, judged.branch)


@lru_cache(maxsize=1024)
def branches(expression: str) -> tuple[tuple[str, ...], ...] | None:
    """The alternatives of an expression, each as the ids of all licences that then hold together, as SPDX now spells
    them; exceptions left out. None for what is no valid expression, or has more than `MAX_BRANCHES` alternatives.
    """
    text = expression.strip(" ")
    tree = None if _odd_text(text) else _parse(text)
    known = _known()
    if tree is None or _unknown(_atoms(tree), known):
        return None
    found = _branches(tree, known)
    return None if found is None else tuple(tuple(sorted(branch)) for branch in found)


def _branches(node: Any, known: _Known) -> list[frozenset[str]] | None:
    if _kind(node) in ("LicenseSymbol", "LicenseWithExceptionSymbol"):
        name = node.license_symbol.key if _kind(node) == "LicenseWithExceptionSymbol" else node.key
        return [frozenset((_names(name, known)[-1 if name.lower() in known.licenses else 0],))]
    parts = [_branches(part, known) for part in node.args]
    found = [frozenset[str]()]
    if _kind(node) == "OR":
        found = list(dict.fromkeys(branch for part in parts for branch in part or ()))
    else:
        for part in parts:
            found = list(dict.fromkeys(one | other for one in found for other in part or ()))
            if len(found) > MAX_BRANCHES:
                return None
    return None if None in parts or len(found) > MAX_BRANCHES else found


def _odd_text(text: str) -> str | None:
    if not text:
        return "there is no licence here"
    if len(text) > MAX_LENGTH:
        return f"a licence expression of {len(text)} characters is too long; {MAX_LENGTH} are allowed"
    if text.count("(") > MAX_PARENTHESES:
        return f"a licence expression may have {MAX_PARENTHESES} parentheses at most"
    if odd := re.search(r"[^A-Za-z0-9.+:() -]", text):
        shown = odd[0] if odd[0].isprintable() and not odd[0].isspace() else f"U+{ord(odd[0]):04X}"
        return f'"{shown}" cannot stand in an SPDX expression'
    return None


def _parse(text: str) -> Any:
    from license_expression import Licensing  # type: ignore[import-untyped]

    try:
        return Licensing().parse(text, simple=True)
    except Exception:
        # ExpressionError, but also IndexError for "()" and a TypeError while it puts its message together.
        return None


def _not_spdx(text: str, fault: str) -> LicenseVerdict:
    suggestion = _repaired(text)
    advice = f'did you mean "{suggestion}"?' if suggestion else _HOW
    return LicenseVerdict("invalid", f"{fault}; {advice}", suggestion)


@lru_cache(maxsize=1)
def _known() -> _Known:
    from license_expression import get_license_index

    known = _Known({}, {})
    for record in get_license_index():
        current = record.get("spdx_license_key") or ""
        tables = [known.exceptions if record.get("is_exception") else known.licenses]
        # SPDX lists some exceptions as licences, from before WITH.
        if record.get("is_exception") and (record.get("is_deprecated") or current.startswith("MPL-2.0-no-")):
            tables.append(known.licenses)
        for name in (current, *record.get("other_spdx_license_keys", ())):
            if name and " " not in name and name not in _NEVER_SPDX and not name.startswith("LicenseRef-"):
                newest = name if current.startswith("LicenseRef-") else current or name
                for table in tables:
                    if name == current or name.lower() not in table:
                        table[name.lower()] = (name, newest)
    return known


def ids() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All ids of the SPDX License List, deprecated ones included: those of licences, and those of exceptions."""
    known = _known()
    spelled = [tuple(sorted({name for pair in table.values() for name in pair})) for table in known]
    return spelled[0], spelled[1]


def _kind(node: Any) -> str:
    return type(node).__name__


def _atoms(tree: Any) -> list[Any]:
    if _kind(tree) in ("LicenseSymbol", "LicenseWithExceptionSymbol"):
        return [tree]
    return [atom for part in tree.args for atom in _atoms(part)]


def _is_license(name: str, known: _Known) -> bool:
    base = name[:-1] if name.endswith("+") else name
    return name.lower() in known.licenses or base.lower() in known.licenses or bool(_OWN.match(name))


def _unknown(atoms: Sequence[Any], known: _Known) -> list[tuple[str, bool]]:
    """Find the names that SPDX does not know, each with whether it stands in the place of an exception."""
    wrong: dict[tuple[str, bool], None] = {}
    for atom in atoms:
        pair = _kind(atom) == "LicenseWithExceptionSymbol"
        name = atom.license_symbol.key if pair else atom.key
        if not _is_license(name, known):
            wrong[name, False] = None
        if pair and atom.exception_symbol.key.lower() not in known.exceptions:
            wrong[atom.exception_symbol.key, True] = None
    return list(wrong)


def _wrong_id(text: str, wrong: Sequence[tuple[str, bool]], known: _Known) -> LicenseVerdict:
    """Judge an expression that holds names unknown to SPDX."""
    name, as_exception = wrong[0]
    shown = _cut(name)

    def invalid(message: str) -> LicenseVerdict:
        return LicenseVerdict("invalid", message, None)

    what = "exception" if as_exception else "licence"
    if name.upper() in ("NONE", "NOASSERTION"):
        return invalid(f"{shown} does not say under which licence the data are; {_HINT}")
    if not as_exception and name.lower() in known.exceptions:
        return invalid(f'"{shown}" is an exception, and stands after a licence and WITH')
    if as_exception and _is_license(name, known):
        return invalid(f'"{shown}" is a licence, and WITH wants an exception')
    guesses: dict[str, str] = {}
    # Each search compares with hundreds of ids.
    for other, place in wrong[:3]:
        if guess := _near(other, known.exceptions if place else known.licenses):
            guesses[other] = guess
    suggestion = _respelled(text, known, guesses) if len(guesses) == len(wrong) else None
    message = f'"{shown}" is not the id of an SPDX {what}'
    if name in guesses:
        return LicenseVerdict("invalid", f'{message}; did you mean "{guesses[name]}"?', suggestion)
    return LicenseVerdict("invalid", message if as_exception else f"{message}; {_HINT}", suggestion)


def _near(name: str, table: dict[str, tuple[str, str]]) -> str | None:
    # By the first two letters, or "BSD" would be taken for the quite different 0BSD.
    start = name[:2].lower()
    return nearest(name, sorted({now for _, now in table.values() if now.lower().startswith(start)}))


def _respelled(text: str, known: _Known, instead: dict[str, str] | None = None) -> str:
    def usual(match: re.Match[str]) -> str:
        word = match[0]
        if instead and word in instead:
            return instead[word]
        if word.upper() in ("AND", "OR", "WITH"):
            return word.upper()
        for table in (known.licenses, known.exceptions):
            if word.lower() in table:
                return table[word.lower()][0]
        if word.endswith("+") and word[:-1].lower() in known.licenses:
            return known.licenses[word[:-1].lower()][0] + "+"
        return word

    return re.sub(r"[A-Za-z0-9.+:-]+", usual, text)


def _repaired(text: str) -> str | None:
    """Find the one id or choice of ids that a common slip stands for; None when there is none."""
    if not text or len(text) > 100:
        return None
    known = _known()
    if text.lower().startswith(("http://", "https://")):
        from .metadata.license_names import spdx_of

        return spdx_of(text)
    if "/" in text:
        parts = [part.strip() for part in text.split("/")]
        if all(_is_license(part, known) for part in parts):
            return " OR ".join(_respelled(part, known) for part in parts)
        return None
    bare = re.sub(r"\b(?:the|licen[cs]es?|version)\b|[,()]", " ", text, flags=re.IGNORECASE)
    words = re.sub(r"\bv(?=[0-9])", "", bare, flags=re.IGNORECASE).split()
    if not words or any(word.upper() in ("AND", "OR", "WITH") for word in words) or "+" in text:
        return None
    joined = "-".join(words)
    exact = known.licenses.get(joined.lower())
    guess = exact[1] if exact else _near(joined, known.licenses)
    # Whether later versions are meant too, only a person can say.
    return None if guess is None or guess.endswith(("-only", "-or-later")) else guess


class _Judged(NamedTuple):
    status: Status
    message: str
    branch: str


def _judge(node: Any, known: _Known, allow: tuple[str, ...], deny: tuple[str, ...], review: tuple[str, ...]) -> _Judged:
    kind = _kind(node)
    if kind in ("LicenseSymbol", "LicenseWithExceptionSymbol"):
        return _Judged(*_judge_one(node, known, allow, deny, review), _respelled(str(node), known))
    verdicts = [_judge(part, known, allow, deny, review) for part in node.args]
    if kind == "OR":
        return min(verdicts, key=lambda verdict: _WORSE[verdict.status])
    worst = max(verdicts, key=lambda verdict: _WORSE[verdict.status])
    return worst._replace(branch=" AND ".join(dict.fromkeys(verdict.branch for verdict in verdicts)))


def _names(name: str, known: _Known) -> tuple[str, ...]:
    """List the ids by which a policy may speak of a licence: as written, as renamed, and without its +."""
    spellings = [name]
    if name.lower() in known.licenses:
        spellings = list(known.licenses[name.lower()])
    elif name.endswith("+") and name[:-1].lower() in known.licenses:
        spellings = [f"{known.licenses[name[:-1].lower()][0]}+", *known.licenses[name[:-1].lower()]]
    return tuple(dict.fromkeys(spellings))


def _judge_one(
    atom: Any, known: _Known, allow: tuple[str, ...], deny: tuple[str, ...], review: tuple[str, ...]
) -> tuple[Status, str]:
    if _kind(atom) == "LicenseWithExceptionSymbol":
        names = _names(atom.license_symbol.key, known)
        exception = known.exceptions[atom.exception_symbol.key.lower()][0]
        pairs = tuple(f"{name} WITH {exception}" for name in names)
        # A pair that a list names as such is judged by that list, whatever is said of the licence alone.
        for status, globs in (("denied", deny), ("review", review), ("ok", allow)):
            if hit := _hit(pairs, [glob for glob in globs if " WITH " in glob]):
                return _said(status, pairs[0], hit, _hit(pairs, allow))
        label = pairs[0]
    else:
        names = _names(atom.key, known)
        label = names[0]
    for status, globs in (("denied", deny), ("review", review), ("ok", allow)):
        if hit := _hit(names, globs):
            return _said(status, label, hit, _hit(names, allow))
    if _OWN.match(names[0]):
        return "review", f"{label} is not on the SPDX list, so that somebody has to review it"
    if allow:
        return "review", f"{label} is not among the licences that the policy allows ({_some(allow)})"
    return "ok", f"the policy does not deny {label}"


def _hit(names: Sequence[str], globs: Sequence[str]) -> str | None:
    # Ids have no case: a policy that denies cc-by-nc-* means CC-BY-NC-4.0 too.
    for glob in globs:
        if any(fnmatchcase(name.lower(), glob.lower()) for name in names):
            return glob
    return None


def _said(status: str, label: str, glob: str, allowed: str | None) -> tuple[Status, str]:
    as_listed = "" if glob == label else f" (as {glob})"
    if status == "ok":
        return "ok", f"the policy allows the licence {label}{as_listed}"
    over = f", which overrules {allowed} in allow" if allowed is not None else ""
    if status == "denied":
        return "denied", f"the policy denies the licence {label}{as_listed}{over}"
    return "review", f"the policy asks for a review of the licence {label}{as_listed}{over}"


def _some(words: Sequence[str]) -> str:
    return ", ".join(words[:8]) + (", …" if len(words) > 8 else "")


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
