"""What a new policy asks less of than the one before: parsed values are compared, never text."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from . import assets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from .case import Hook
    from .policy import OwnRegime, Policy
    from .trees import Entry
    from .waivers import Waiver


class Weakening(NamedTuple):
    """One thing that is asked less of.

    `pointer` is its place in the policy (RFC 6901), `item` what is added to or taken from a list there, ""
    for a single value.
    """

    pointer: str
    item: str
    message: str


def weakenings(before: Policy, after: Policy, levels: Mapping[str, int]) -> Iterator[Weakening]:
    """What `after` asks less of than `before`; `levels` are the hooks' own levels, by id.

    Which files leave coverage is not said here: see `uncovered`.
    """
    if after.level < before.level:
        yield Weakening("/level", "", f"level is lowered from {before.level} to {after.level}")
    for hook in before.also:
        # A hook whose level the policy reaches is enforced without being named.
        if hook not in after.also and after.level < levels.get(hook, 4):
            yield Weakening("/also", hook, "also no longer names")
    if before.mode == "block" and after.mode == "warn":
        yield Weakening("/mode", "", "mode goes from block to warn, so that nothing blocks any more")
    if after.edition < before.edition:
        newest = before.edition > "9999"
        said = "the newest" if newest else before.edition
        yield Weakening("/edition", "", f"edition goes from {said} back to {after.edition}: newer rules only warn")
    if _version(after.requires) < _version(before.requires):
        yield Weakening("/requires", "", f"requires goes from {before.requires} to {after.requires or 'any version'}")
    if after.grace_days > before.grace_days:
        said = f"grace_days goes from {before.grace_days} to {after.grace_days} for expired waivers"
        yield Weakening("/grace_days", "", said)
    yield from _licenses(before, after)
    if before.trusted_sources and not after.trusted_sources:
        said = "sources.trusted is emptied, so that no source is asked about"
        yield Weakening("/sources/trusted", "", said)
    elif before.trusted_sources:  # before there were any, every source would do
        for match in sorted(set(after.trusted_sources) - set(before.trusted_sources)):
            yield Weakening("/sources/trusted", match, "sources.trusted gains")
    yield from _regimes(before.regimes, after.regimes)
    for known in sorted(set(after.formats_allow) - set(before.formats_allow)):
        yield Weakening("/formats/allow", known, "formats.allow gains")
    for name in sorted(set(after.pickles_globals) - set(before.pickles_globals)):
        yield Weakening("/pickles/globals", name, "pickles.globals gains")
    for name, old, new in (
        ("changed", before.absent_changed, after.absent_changed),
        ("unchanged", before.absent_unchanged, after.absent_unchanged),
    ):
        if (old, new) == ("block", "allow"):
            said = f"absent_content.{name} goes from block to allow"
            yield Weakening(f"/absent_content/{name}", "", said)
    if after.plain_blob_max > before.plain_blob_max:
        said = f"sizes.plain_blob_max grows from {before.plain_blob_max} to {after.plain_blob_max} bytes"
        yield Weakening("/sizes/plain_blob_max", "", said)
    # The other way round: content above this size is not read.
    if after.content_scan_max < before.content_scan_max:
        said = f"sizes.content_scan_max shrinks from {before.content_scan_max} to {after.content_scan_max} bytes"
        yield Weakening("/sizes/content_scan_max", "", said)


# What is asked of data and models that are there already, as pointers into the policy.
_DEMANDS = ("/level", "/also", "/mode", "/edition", "/licenses", "/sources", "/regimes", "/formats", "/pickles")


def asks_more(before: Policy, after: Policy, hooks: Iterable[Hook]) -> bool:
    """Whether a policy asks more than the one before of what is there already."""
    levels = {hook.id: hook.level for hook in hooks}
    return any(one.pointer.startswith(_DEMANDS) for one in weakenings(after, before, levels))


def _regimes(before: Sequence[str | OwnRegime], after: Sequence[str | OwnRegime]) -> Iterator[Weakening]:
    """Regimes that are gone, and own ones that ask for fewer answers or of fewer cards."""
    left = {item if isinstance(item, str) else item.id for item in after}
    own = [item for item in after if not isinstance(item, str)]
    for old in dict.fromkeys(before):
        name = old if isinstance(old, str) else old.id
        if name not in left:
            yield Weakening("/regimes", name, "regimes no longer names")
        elif (old not in after) if isinstance(old, str) else not _still_needs(old, own):
            yield Weakening(f"/regimes/{name}", "", f"regimes asks for less than before in {name}")


def _still_needs(old: OwnRegime, others: Iterable[OwnRegime]) -> bool:
    """Whether whatever the one called for is called for by others of its name: under no more facts."""
    facts = dict(old.when)
    asked = {
        need
        for other in others
        if other.id == old.id and all(field in facts and set(facts[field]) <= set(v) for field, v in other.when)
        for need in other.needs
    }
    return set(old.needs) <= asked


def _version(requires: str) -> list[int]:
    numbers = [int(part) for part in requires.removeprefix(">=").split(".") if part.isdigit()][:3]
    return numbers + [0] * (3 - len(numbers))


def _licenses(before: Policy, after: Policy) -> Iterator[Weakening]:
    if before.licenses_allow and not after.licenses_allow:
        said = "licenses.allow is emptied, so that every licence is allowed that is not denied"
        yield Weakening("/licenses/allow", "", said)
    elif before.licenses_allow:
        for name in _beyond(after.licenses_allow, before.licenses_allow):
            yield Weakening("/licenses/allow", name, "licenses.allow gains")
    for name in _beyond(before.licenses_deny, after.licenses_deny):
        yield Weakening("/licenses/deny", name, "licenses.deny no longer names")
    # What is refused now needs no review.
    for name in _beyond(before.licenses_review, (*after.licenses_review, *after.licenses_deny)):
        yield Weakening("/licenses/review", name, "licenses.review no longer names")


def _beyond(names: Sequence[str], others: Sequence[str]) -> list[str]:
    """The licences or globs that none of the others takes in; ids have no case."""
    globs = [other.lower() for other in others]
    return [n for n in names if not any(n.lower() == glob or fnmatchcase(n.lower(), glob) for glob in globs)]


# ---------------------------------------------------------------------- coverage


def uncovered(
    entries: Mapping[str, Entry],
    tracked_before: Mapping[str, Entry],
    before: Policy,
    after: Policy,
    sizes: Callable[[Iterable[Entry]], Mapping[str, int]],
) -> list[tuple[str, str]]:
    """The files that were datasets or models under one policy and are not under the other: path and which.

    `entries` is the judged state. A card decides before any glob does, so what has one stays.
    """
    pairs = (before.datasets, after.datasets), (before.models, after.models)
    if all((old.include, old.exclude) == (new.include, new.exclude) for old, new in pairs):
        return []
    moved: dict[str, tuple[str, str | None]] = {}
    for path in entries:
        old = assets.classify(path, before.datasets, before.models)
        if old is not None and path in tracked_before:
            new = assets.classify(path, after.datasets, after.models)
            if new != old and (not _has_card(path, entries) or _loses_others(path, old, before, after)):
                moved[path] = old, new
    known = sizes(entries[path] for path, kinds in moved.items() if "large dataset" in kinds)
    left: list[tuple[str, str]] = []
    for path, (old, new) in sorted(moved.items()):
        # An object that is not here has no size that could excuse it.
        large = known.get(entries[path].oid, assets.SIZE_FLOOR) >= assets.SIZE_FLOOR
        was, stays = (("dataset" if large else None) if kind == "large dataset" else kind for kind in (old, new))
        if was is not None and stays != was:
            left.append((path, was))
    return left


def _has_card(path: str, entries: Mapping[str, Entry]) -> bool:
    return any(assets.cards_over(path, entries, kind) for kind in ("data", "model"))


def _loses_others(path: str, old: str, before: Policy, after: Policy) -> bool:
    """Whether a new file beside this one, which has no card yet, would leave coverage as well."""
    folder, slash, name = path.rpartition("/")
    beside = f"{folder}{slash}another-{name}"
    return old == assets.classify(beside, before.datasets, before.models) and old != assets.classify(
        beside, after.datasets, after.models
    )


# ---------------------------------------------------------------------- waivers


def widened(before: Sequence[Waiver], after: Iterable[Waiver]) -> Iterator[tuple[Waiver, str]]:
    """The waivers that admit more than any before, and what is more about them. Moving a file is nothing."""
    for new in after:
        if any(_admits(old, new) and old.expires >= new.expires for old in before):
            continue
        longer = [old.expires for old in before if _admits(old, new)]
        if longer:
            yield new, f"this waiver of {new.rule} is prolonged from {max(longer)} to {new.expires}"
            continue
        same_file = next((old for old in before if old.file == new.file), None)
        if same_file is None:
            yield new, f"this is a new waiver: it admits {new.rule} on {new.path} until {new.expires}"
        else:
            changed = [
                f"{name} from {old or 'none'} to {now or 'none'}"
                for name, old, now in (
                    ("rule", same_file.rule, new.rule),
                    ("path", same_file.path, new.path),
                    ("digest", same_file.digest, new.digest),
                )
                if old != now
            ]
            yield new, f"this waiver admits something else than before: {', '.join(changed)}"


def _admits(old: Waiver, new: Waiver) -> bool:
    if old.rule != new.rule or old.digest not in (None, new.digest):
        return False
    return old.path == new.path or (not new.is_glob and old.matches(new.path))
