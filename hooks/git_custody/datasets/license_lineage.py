"""What the licence of a parent asks of the data, or of the model, made of it, held against the licence of these.

Judged edge by edge: where every step keeps the terms of the one before, the whole lineage does. Of alternatives that a
parent offers the best counts, of those that the derived data offer the worst. This is no legal advice.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from .license_terms import Terms, terms_of
from .licenses import branches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence, Set

# What was done with a parent that leaves its parts as they were.
VERBATIM = ("copy", "subset")
# Creative Commons lists GPLv3 as a licence that adaptations of CC BY-SA 4.0 may be under, and not the other way round
# (https://creativecommons.org/compatiblelicenses).
_COMPATIBLE = {"CC-BY-SA-4.0": ("GPL-3.0-only",)}

Grade = Literal["review", "conflict"]


class Clash(NamedTuple):
    """What speaks against a licence of derived data: a `conflict`, or what somebody has to `review`."""

    grade: Grade
    message: str


class Child(NamedTuple):
    """What a card offers to others: its licence, whether `prohibited_use` forbids anything, and whether
    `permitted_use` names commercial use.
    """

    license: str
    restricts: bool = False
    commercial: bool = False


@lru_cache(maxsize=1024)
def clash(parent: str | None, child: Child, relation: str) -> Clash | None:
    """What a parent's licence has against the child's; None when nothing is known to speak against it.

    `relation` is that of the card's `derived_from`. An unknown licence is for review, and so is what cannot be read.
    """
    offered = branches(child.license)
    if parent is not None and branches(parent) is not None and offered is None:
        return Clash("review", f"{_cut(child.license)} cannot be told apart into its parts")
    alternatives = offered or ()
    whose = "the licence of the parent"
    given = {name for branch in branches(parent) or () for name in branch} if parent is not None else set()
    return _least(parent, lambda name: (_one(name, branch, child, relation, given) for branch in alternatives), whose)


@lru_cache(maxsize=1024)
def clash_with_model(data: str | None, model: str | None) -> Clash | None:
    """What the licence of data has against that of a model which was trained on them; None where nothing is known to.

    Terms of use bind whoever trains. Whether a model is derived from its data is disputed, so that what a licence asks
    of derived data alone is for review.
    """
    offered = branches(model) if model is not None else None
    alternatives = offered if offered is not None else (None,)
    return _least(data, lambda name: (_one_model(name, branch) for branch in alternatives), "their licence")


def _least(given: str | None, against: Callable[[str], Iterable[Clash | None]], whose: str) -> Clash | None:
    """What is left of what speaks `against` each licence that is given, once the best alternative is taken."""
    choices = branches(given) if given is not None else None
    if choices is None:
        what = "is not stated" if given is None else f"{_cut(given)} cannot be told apart into its parts"
        return Clash("review", f"{whose} {what}")
    held = {name: _worst(against(name)) for name in sorted({name for branch in choices for name in branch})}
    return min((_worst(held[name] for name in branch) for branch in choices), key=_rank)


def commercial_against_itself(child: Child) -> Clash | None:
    """The conflict of a card that permits commercial use while its own licence does not."""
    offered = branches(child.license) if child.commercial else None
    if not offered or any(_allows_commerce(branch) for branch in offered):
        return None
    return Clash("conflict", f"permitted_use names commercial use, and {_cut(child.license)} does not allow it")


def asks_for_credit(parent: str | None, *, of_model: bool = False) -> bool:
    """Whether derived data, or a model, have to give credit whichever alternative of a parent's licence is taken."""
    given = branches(parent) if parent is not None else None
    return bool(given) and all(
        any(t.attribution and not (of_model and t.results_free) for t in _known(branch)) for branch in given or ()
    )


def _known(ids: Iterable[str]) -> list[Terms]:
    return [terms for terms in map(terms_of, ids) if terms is not None]


def _allows_commerce(branch: Sequence[str]) -> bool:
    return all(terms.commercial for terms in _known(branch))


def _rank(found: Clash | None) -> int:
    return 0 if found is None else 1 if found.grade == "review" else 2


def _worst(found: Iterable[Clash | None]) -> Clash | None:
    return max(found, key=_rank, default=None)


def _one(name: str, branch: Sequence[str], child: Child, relation: str, given: Set[str]) -> Clash | None:
    """What one licence of a parent has against one alternative of the child's; `given` are all of the parent's."""
    terms = terms_of(name)
    if terms is None:
        return Clash("review", f"what {_cut(name)} asks of derived data is not known here")
    mine = _known(branch)
    shown = _cut(" AND ".join(branch))
    # What an unknown part says can only make the whole stricter.
    grade: Grade = "conflict" if len(mine) == len(branch) else "review"
    found: list[Clash | None] = [None]
    if not terms.derivatives and relation not in VERBATIM:
        found.append(Clash("conflict", f"{name} does not allow to share what is made of the data"))
    elif not terms.derivatives and all(other.derivatives for other in mine):
        found.append(Clash(grade, f"{name} allows no derived data, and {shown} does"))
    if not terms.commercial and child.commercial:
        found.append(Clash("conflict", f"{name} allows no commercial use, and permitted_use names it"))
    elif not terms.commercial and all(other.commercial for other in mine):
        found.append(Clash(grade, f"{name} allows no commercial use, and {shown} does"))
    if terms.use_restrictions and not child.restricts and not any(other.use_restrictions for other in mine):
        said = f"{name} forbids some uses, which neither {shown} nor prohibited_use passes on"
        found.append(Clash(grade, said))
    if terms.share_alike is not None:
        found.append(_share_alike(name, terms.share_alike, branch, grade, shown, given))
    return _worst(found)


def _one_model(name: str, branch: Sequence[str] | None) -> Clash | None:
    """What one licence of data has against one alternative of the model's; None is a licence that is not known."""
    terms = terms_of(name)
    if terms is None:
        return Clash("review", f"what {_cut(name)} asks of models is not known here")
    if terms.results_free or (terms.commercial and terms.derivatives and not terms.use_restrictions
                              and terms.share_alike is None):  # fmt: skip
        return None
    if branch is None:
        return Clash("review", f"{name} sets terms, and the licence of the model is not known")
    mine = _known(branch)
    shown = _cut(" AND ".join(branch))
    grade: Grade = "conflict" if len(mine) == len(branch) else "review"
    found: list[Clash | None] = [None]
    if not terms.commercial and all(other.commercial for other in mine):
        found.append(Clash(grade, f"{name} allows no commercial use, and {shown} does"))
    if terms.use_restrictions and not any(other.use_restrictions for other in mine):
        found.append(Clash(grade, f"{name} forbids some uses, which {shown} does not pass on"))
    if not terms.derivatives:
        said = f"{name} does not allow to share what is made of the data, and whether a model is that is disputed"
        found.append(Clash("review", said))
    elif terms.share_alike is not None and (other := _share_alike(name, terms.share_alike, branch, grade, shown)):
        found.append(Clash("review", f"{other.message}; whether a model is derived data is disputed"))
    return _worst(found)


def _share_alike(
    name: str, family: str, branch: Sequence[str], grade: Grade, shown: str, given: Set[str] = frozenset()
) -> Clash | None:
    families = {other: terms.share_alike for other in branch if (terms := terms_of(other))}
    same = [other for other, its in families.items() if its == family]
    if any(_may_follow(name, other) for other in same) or any(o in _COMPATIBLE.get(name, ()) for o in branch):
        kept = {*same, *_COMPATIBLE.get(name, ()), *given}
        more = [other for other in branch if other not in kept and _adds(name, other)]
        # Whether two licences that hold together speak of all of the data, or each of a part, no expression says.
        said = f"{name} asks that derived data stay under it, and {_cut(' AND '.join(more))} beside it asks for more"
        return Clash("review", said) if more else None
    if same:
        return Clash("review", f"whether data under {name} may go on under {shown} depends on the version")
    if any(families.values()):
        return Clash("review", f"{name} asks that derived data stay under it, and so does {shown} for itself")
    return Clash(grade, f"{name} asks that derived data stay under it, and {shown} is another licence")


def _adds(name: str, other: str) -> bool:
    """Whether a licence forbids or asks for what another one, which derived data stay under, does not."""
    mine, its = terms_of(name), terms_of(other)
    return mine is not None and its is not None and (
        (mine.commercial and not its.commercial) or (mine.derivatives and not its.derivatives)
        or (its.use_restrictions and not mine.use_restrictions) or its.share_alike is not None
    )  # fmt: skip


def _may_follow(name: str, other: str) -> bool:
    """Whether a licence of the same family may take the place of another: itself, or a later version where this one
    lets later versions in. Version 1.0 of the Creative Commons licences does not.
    """
    if name == other:
        return True
    if name.endswith("-only") or (name.startswith("CC-") and name.endswith("-1.0")):
        return False
    return _version(other) >= _version(name)


def _version(name: str) -> tuple[int, int]:
    found = re.search(r"-([0-9]+)\.([0-9]+)", name)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
