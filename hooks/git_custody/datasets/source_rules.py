"""Rules about where data come from: whether the source is trusted, and whether this is what its publisher offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.findings import CUSTODY, CannotJudge, Finding, RepoPath, Rule, Slot
from . import survey as surveys
from .reviews import fault, to_keep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..core.case import Case, Said
    from ..core.content import Content
    from ..core.digests import Digest
    from ..core.findings import Command
    from .survey import Dataset

UNTRUSTED = Rule(
    "untrusted-source", ("2.3",), 1,
    "Data come from a source that the policy does not trust, and nobody has reviewed it.",
    "Whoever controls where training data come from controls what a model learns.",
    "Have somebody look at the source and record it: `git custody review --kind source PATH`. Where everything from "
    "there can be trusted, a maintainer adds it to `sources.trusted` in .custody/policy.yaml, with the reason "
    "(docs/sources.md).",
    "Asked only where the policy lists `sources.trusted`. Goes by the address on the card, which is a claim; what "
    "`kind` calls original, internal, user-data or synthetic has no address to trust, and for derived data the parents "
    "count.",
)  # fmt: skip
STALE = Rule(
    "stale-source-review", ("2.3",), 1,
    "A source was reviewed for other content than there is now.",
    "Somebody looked at these data and found them sound; nobody has looked at what they are now.",
    "Look at what changed, then record a new review: `git custody review --kind source PATH`.",
    "Only warns where the policy lists no `sources.trusted`. For a trusted source a review is not needed, nor judged.",
    about_content=True,
)  # fmt: skip
NO_DIGEST = Rule(
    "missing-upstream-digest", ("2.4", "2.3"), 2,
    "The publisher states a digest of this file, and the card does not record it.",
    "With it, anybody can tell later whether these are the bytes that were published.",
    "Copy the digest from the publisher's page to `source.digest` of the card, with the address as `published_at`.",
    "Only for single files from Zenodo, Figshare and Hugging Face. What a person typed is declared, not proven: it is "
    "evidence of grade E0 until CI has captured it from the publisher.",
)  # fmt: skip
CONTRADICTED = Rule(
    "upstream-digest-differs", ("2.4", "2.3"), 1,
    "The file is not the one whose digest the publisher states.",
    "Either these are not the data that were published, or somebody changed them and the card does not say so.",
    "Fetch the file again; or, where it was unpacked, cleaned or cut after the download, say so under `processing`.",
    "Compares the strongest digest that is stated, of single files: SHA-256 wherever git, Git LFS or the card name the "
    "content by it, others where the content is here or is named by them. The digest on the card is what its author "
    "typed.",
    about_content=True,
)  # fmt: skip
RULES = (UNTRUSTED, STALE, NO_DIGEST, CONTRADICTED)

# What a publisher may state, the strongest first.
_ALGORITHMS = ("sha256", "sha512", "sha1", "md5")
# Made here, or handed over by people: there is no address to trust.
_OWN = ("original", "internal", "user-data", "synthetic")


def check(case: Case, dataset: Dataset) -> Iterator[Said]:
    """Judge the source that a card states."""
    data = dataset.document.data if dataset.document else None
    source = data.get("source") if isinstance(data, dict) else None
    if not dataset.files or not isinstance(source, dict):
        return  # an orphan, or said by the schema
    assert isinstance(data, dict)
    yield from _trust(case, dataset, data, source)
    if not dataset.is_folder:
        yield from _upstream(case, dataset, data, source)


# ---------------------------------------------------------------------- trust


def _trust(case: Case, dataset: Dataset, data: Mapping[str, Any], source: Mapping[str, Any]) -> Iterator[Said]:
    review = data.get("source_review")
    if not case.policy.trusted_sources and not isinstance(review, dict):
        return
    doubt = next(_doubts(case, dataset, data, source), None)
    if doubt is None:
        return
    pointer, why = doubt
    try:
        digest = surveys.digest(case, dataset)
    except CannotJudge as error:
        yield error
        return
    if digest is None:
        return  # a link in the place of the file: said by its name
    yield from _reviewed(case, dataset, review, digest, pointer, why)


def basis(data: Mapping[str, Any]) -> str:
    """What of a card's source a review is bound to: the sha256 (hex) of its kind, address, publisher and parents."""
    from . import license_subject

    source, parents = data.get("source"), data.get("derived_from")
    stated = source if isinstance(source, dict) else {}
    listed = [one for one in parents if isinstance(one, dict)] if isinstance(parents, list) else []
    return license_subject.basis(
        {
            "source": {key: stated.get(key) for key in ("kind", "url", "publisher")},
            "parents": [one.get("url") for one in listed],
        }
    )


def _reviewed(
    case: Case, dataset: Dataset, review: object, digest: Digest, pointer: str, why: str
) -> Iterator[Finding]:
    lines = dataset.document.lines if dataset.document else {}
    fix = (_review_again(case, dataset, review),)
    actual = next(iter(digest.values()))
    asked = bool(case.policy.trusted_sources)
    if isinstance(review, dict) and review.get("status") == "approved":
        weak = fault(review, None, case.today)
        if weak is None and (stale := fault(review, digest, case.today) or _other_source(dataset, review)) is not None:
            yield Finding(
                STALE, dataset.card, f"its source review {stale}", lines.get("/source_review/digest"),
                found=_changed(case, dataset), fix=fix, digest=actual, subject=actual, warns=not asked,
            )  # fmt: skip
        if weak is None:
            return
        why += f"; its source review {weak}"
    elif isinstance(review, dict):
        why += f"; its source review is {review.get('status')}"
    if asked:
        yield Finding(
            UNTRUSTED, dataset.card, why, lines.get(pointer), fix=fix, digest=actual, subject=pointer,
        )  # fmt: skip


def _other_source(dataset: Dataset, review: Mapping[str, object]) -> str | None:
    """Why a review is not of the source that the card states, in words that follow its name."""
    assert dataset.document is not None
    of = review.get("basis")
    if of is None:
        return "does not say which source it is of, as git custody review writes it"
    return None if of == basis(dataset.document.data) else "is of another source than the card states now"


def _review_again(case: Case, dataset: Dataset, review: object) -> Command:
    """The command that records a review of a source, with the last day of the one before."""
    words = ("--kind", "source", "--reviewer", Slot("REVIEWER"), "--reason", Slot("REASON"))
    return (CUSTODY, "review", *words, *to_keep(review, case.today), RepoPath(dataset.shown_path))


def _changed(case: Case, dataset: Dataset) -> str | None:
    """Which files of a folder this change touches; for a single file that is plain."""
    if not dataset.is_folder or case.is_whole:
        return None
    start = len(dataset.path) + 1 if dataset.path else 0
    prefix = dataset.path + "/" if dataset.path else ""
    names = sorted(path[start:] for path in case.changed if path.startswith(prefix) and path != dataset.card)
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"changed here: {', '.join(names[:5])}{more}" if names else None


def _doubts(
    case: Case, dataset: Dataset, data: Mapping[str, Any], source: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """The sources that are not trusted: where the card states each, and a sentence."""
    kind = source.get("kind")
    if kind in _OWN:
        return
    parents = data.get("derived_from") if kind == "derived" else None
    addresses: list[tuple[str, object]] = []
    if isinstance(parents, list):
        # A parent in this repository has a card of its own to be judged by.
        listed = ((number, one) for number, one in enumerate(parents) if isinstance(one, dict))
        addresses = [(f"/derived_from/{number}/url", one["url"]) for number, one in listed if "url" in one]
    if kind == "derived" and not parents and "url" not in source:
        yield "/source", "its card calls the data derived, and names no parents that the policy could trust"
    elif kind != "derived" or "url" in source:
        addresses.append(("/source/url", source.get("url")))
    for pointer, address in addresses:
        if address is None:
            yield "/source", "its card names no address that the policy could trust"
        elif isinstance(address, str):
            verdict = _judge(case, address)
            if verdict is not None:
                yield pointer, f"{'a parent' if 'derived' in pointer else 'its source'} {verdict}"


def _judge(case: Case, address: str) -> str | None:
    from .sources import judge

    verdict = judge(case.policy.trusted_sources, address)
    if verdict.trusted:
        return None
    return f"{verdict.why}, which is not among the sources that the policy trusts"


# ---------------------------------------------------------------------- what was published


def _upstream(case: Case, dataset: Dataset, data: Mapping[str, Any], source: Mapping[str, Any]) -> Iterator[Said]:
    stated = source.get("digest")
    lines = dataset.document.lines if dataset.document else {}
    if isinstance(stated, dict):
        algorithm = next((name for name in _ALGORITHMS if isinstance(stated.get(name), str)), None)
        if algorithm is not None and not _is_processed(data, source):
            line = lines.get(f"/source/digest/{algorithm}")
            yield from _contradiction(case, dataset, algorithm, stated[algorithm], line)
    elif stated is None and isinstance(url := source.get("url"), str) and case.policy.level >= NO_DIGEST.level:
        from .published_digests import publisher_of

        if source.get("kind") not in (*_OWN, "derived") and (publisher := publisher_of(url)) is not None:
            said = f"{publisher.name} states the {publisher.algorithm} of this file, and its card does not record it"
            found = f"it is stated {publisher.where}"
            yield Finding(NO_DIGEST, dataset.card, said, lines.get("/source"), found=found)


def _is_processed(data: Mapping[str, Any], source: Mapping[str, Any]) -> bool:
    return source.get("kind") == "derived" or bool(data.get("processing") or data.get("derived_from"))


def _contradiction(case: Case, dataset: Dataset, algorithm: str, wanted: str, line: int | None) -> Iterator[Said]:
    try:
        digest = surveys.digest(case, dataset)
    except CannotJudge as error:
        yield error
        return
    sha256 = digest.get("sha256") if digest is not None else None
    if sha256 is None:
        return
    if algorithm != "sha256":
        actual = _by(case, dataset, algorithm)
    else:
        actual = None if _is_of_a_pointer(case, dataset, sha256) else sha256
    if actual not in (None, wanted):
        yield Finding(
            CONTRADICTED, dataset.card, "its publisher states another digest, and the card names no processing",
            line, found=f"{algorithm} {actual}, and published: {algorithm} {wanted}",
            digest=sha256, subject=actual or "",
        )  # fmt: skip


def _by(case: Case, dataset: Dataset, algorithm: str) -> str | None:
    """The digest of a file by another algorithm than SHA-256; None where its content is not here to be read."""
    from ..core.digests import pointer
    from . import weak_names

    ((path, entry),) = dataset.files.items()
    raw = case.pointers([entry]).get(entry.oid)
    if raw is not None or path.endswith(".dvc") or weak_names.is_lock(path):
        name = weak_names.name_of(case, path, entry, dataset.path) if algorithm == "md5" else None
        if name is not None:
            # DVC before 3.0 took line ends out of text first, and did not name its hash.
            plain = name.keeper != "DVC" or b"hash: md5" in (case.read(entry) or b"")
            return weak_names.md5_of(name) if plain and not name.key.endswith(".dir") else None
        kept = pointer(raw) if raw is not None else None
        content = case.local_object(kept, path) if kept is not None else None
        return _hashed(content, algorithm) if content is not None else None
    kind = f"content-{algorithm}"
    if (known := case.verdict(kind, entry.oid)) is not None:
        return known
    for _, _, content, _ in case.contents([(path, entry)]):
        if content is not None:
            found = _hashed(content, algorithm)
            case.remember(kind, entry.oid, found)
            return found
    return None


def _hashed(content: Content, algorithm: str) -> str:
    import hashlib

    whole = hashlib.new(algorithm, usedforsecurity=False)
    for offset in range(0, content.size, 1024 * 1024):
        whole.update(content.read_at(offset, 1024 * 1024))
    return whole.hexdigest()


def _is_of_a_pointer(case: Case, dataset: Dataset, sha256: str) -> bool:
    """Whether a digest is of the text that stands for the content, since git names the content by a weaker one."""
    import hashlib

    ((path, entry),) = dataset.files.items()
    raw = case.pointers([entry]).get(entry.oid)
    if raw is None and path.endswith(".dvc"):
        raw = case.read_many([entry]).get(entry.oid)
    return raw is not None and hashlib.sha256(raw).hexdigest() == sha256
