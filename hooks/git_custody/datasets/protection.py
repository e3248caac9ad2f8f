"""Whether each dataset, and what guards it, has an owner whom the forge asks before a change is merged (LLMSVS 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..core import assets
from ..core.findings import CannotJudge, Finding, Rule, absent
from . import survey as surveys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ..core.case import Case, Said
    from ..core.code_owners import Owners
    from ..core.trees import Entry

UNPROTECTED = Rule(
    "unprotected-dataset", ("2.4",), 2,
    "A dataset, `.custody/` or CODEOWNERS itself has no owner in CODEOWNERS.",
    "Whoever may push can change it without anybody having been asked.",
    "Add a line with an owner to CODEOWNERS, such as `/data/ @example/data-stewards`, and have the branch protected so "
    "that an owner's approval is needed.",
    "Only the file is read: whether the owners exist, may write, and are asked is a setting of GitHub or GitLab. "
    "Both read a CODEOWNERS in the root or in `docs/`: it is read as GitLab does where it has section headings, or the "
    "repository has `.gitlab-ci.yml` or `.gitlab/`, and as GitHub does where it has none, or there is `.github/`.",
)  # fmt: skip
RULES = (UNPROTECTED,)

# GitLab states no limit; what is longer than this was not written by people.
_AT_MOST = 8 * 1024 * 1024
# What somebody copies from a message.
_LINES_AT_MOST = 6
_AUDIT = assets.AUDIT
_PROBES = (assets.POLICY, f"{assets.WAIVERS}new.yaml")


class _File(NamedTuple):
    """A CODEOWNERS file, as one of the two forges reads it. `problem`: why it counts for nothing."""

    path: str
    forge: str
    owners: Owners | None
    problem: str = ""


def check(case: Case) -> Iterator[Said]:
    """Say which of the paths in question nobody owns, for each forge whose file is there."""
    if not case.enforces(UNPROTECTED):
        return
    from ..core.code_owners import PLACES

    rules_change = any(place in case.changed for place in PLACES)
    if not (case.touches_assets or rules_change):
        return
    everything = case.is_whole or rules_change
    subjects = dict(_datasets(case, everything=everything))
    guards = [path for path in case.changed if path.startswith(assets.CUSTODY) and not path.startswith(_AUDIT)]
    if everything or guards:
        settings = [path for path in case.settings_after if path.startswith(assets.CUSTODY)]
        if settings:
            kept = {path for path in settings if not path.startswith(_AUDIT)}
            subjects[assets.CUSTODY.rstrip("/")] = sorted(kept | set(_PROBES))
    if not subjects:
        return
    try:
        files = case.once("code owners", _files)
    except CannotJudge as error:
        yield error
        return
    if not files:
        yield _none(case, subjects)
    for file in files:
        if file.owners is None:
            yield Finding(UNPROTECTED, file.path, file.problem, subject=file.forge)
            continue
        itself = {file.path: [file.path]} if everything else {}
        try:
            for subject, paths in {**subjects, **itself}.items():
                if found := _unowned(case, file, file.owners, subject, paths):
                    yield found
        except CannotJudge as error:
            yield error.at(error.path or file.path)


def _datasets(case: Case, *, everything: bool) -> Iterator[tuple[str, list[str]]]:
    """What is in question: the path by which it is known, and the paths that have to have an owner."""
    found = surveys.survey(case)
    datasets = found.datasets
    if everything and not case.is_whole:
        datasets = tuple(surveys.dataset(case, card) for card in sorted(surveys.ids_of_all_cards(case)))
    for dataset in datasets:
        if dataset.files:
            paths = [dataset.card, *dataset.files]
            yield dataset.shown_path, paths if everything else [path for path in paths if path in case.changed]
    for path in found.undocumented:
        yield path, [path]


def _unowned(case: Case, file: _File, owners: Owners, subject: str, paths: list[str]) -> Finding | None:
    bare = [(path, said) for path in paths if (said := owners.fault(path)) is not None]
    if not bare:
        return None
    path, said = bare[0]
    more = "" if len(bare) == 1 else f", nor {len(bare) - 1} more of {len(paths)} paths of it"
    what = "" if path == subject else f" {path}{more}"
    line = _line(case, subject, whole=len(bare) > 1 or path != subject)
    return Finding(
        UNPROTECTED, subject, f"nobody owns{what or ' this'} in {file.path}, as {file.forge} reads it: {said}",
        found=f"a line that would do, with your owner: {line}", subject=file.path,
        unless=("missing-data-card",),
    )  # fmt: skip


def _none(case: Case, subjects: Mapping[str, list[str]]) -> Finding:
    forge = "GitLab" if _is_gitlab(case.after) and not _is_github(case.after) else "GitHub"
    place = ".gitlab/CODEOWNERS" if forge == "GitLab" else ".github/CODEOWNERS"
    named = list(subjects)
    more = f" and {len(named) - 2} more" if len(named) > 2 else ""
    # Whatever else is asked for at the next commit, or of everything, is covered by the same lines.
    guarded = [assets.CUSTODY.rstrip("/")] if any(True for _ in case.after.below(assets.CUSTODY)) else []
    lines = _lines(case, [*named, *guarded])
    # Said where a waiver can speak of it: on a file that is there.
    path = assets.POLICY if assets.POLICY in case.after else named[0]
    return Finding(
        UNPROTECTED, path, f"there is no CODEOWNERS, so that nobody owns {', '.join(named[:2])}{more}",
        found=f"lines that would do in {place}, with your owner: {'; '.join([*lines, f'/{place} @OWNER'])}",
        subject="none",
    )  # fmt: skip


def _lines(case: Case, subjects: list[str]) -> list[str]:
    """Lines that make somebody the owner of all subjects: wider ones where there would be many."""
    for name in (_top, lambda subject: subject.partition("/")[0]):
        lines = list(dict.fromkeys(_line(case, name(subject), whole=True) for subject in subjects))
        if "* @OWNER" in lines:
            break
        if len(lines) <= _LINES_AT_MOST:
            return lines
    return ["* @OWNER"]


def _top(subject: str) -> str:
    """The data folder that a dataset is in, or the dataset."""
    return next((folder.rstrip("/") for folder in assets.DATA_FOLDERS if subject.startswith(folder)), subject)


def _line(case: Case, subject: str, *, whole: bool) -> str:
    """A line that makes somebody the owner of a path, as both forges read it; `whole`: of its card, too."""
    is_folder = subject not in case.after
    name = subject if assets.card_name(subject) is None else ""  # only the root folder is known by its card
    # Where a name cannot be written, the nearest folder above that can.
    while name and (set(name) & set('[]#!\\*?"') or not name.isprintable()):
        name, is_folder = name.rpartition("/")[0], True
    if not name:
        return "* @OWNER"
    return f"/{name}".replace(" ", "\\ ") + ("/" if is_folder else "*" if whole else "") + " @OWNER"


# ---------------------------------------------------------------------- the files


def _files(case: Case) -> tuple[_File, ...]:
    from ..core.code_owners import GITHUB, GITLAB, github_owners, gitlab_owners, has_headings

    after = case.after
    github = next((path for path in GITHUB if path in after), None)
    gitlab = next((path for path in GITLAB if path in after), None)
    texts = {path: _text(case, after[path], path) for path in (github, gitlab) if path is not None}
    found: list[_File] = []
    headings = {path: text is not None and has_headings(text) for path, text in texts.items()}
    for_gitlab = gitlab is not None and (gitlab.startswith(".gitlab/") or headings[gitlab] or _is_gitlab(after))
    for_github = github is not None and (
        github.startswith(".github/") or not for_gitlab or (_is_github(after) and not headings[github])
    )
    if github is not None and for_github:
        found.append(_read(github, "GitHub", texts[github], github_owners))
    if gitlab is not None and for_gitlab:
        found.append(_read(gitlab, "GitLab", texts[gitlab], gitlab_owners))
    return tuple(found)


def _text(case: Case, entry: Entry, path: str) -> str | None:
    """The text of a CODEOWNERS; None where it is no file, or larger than GitHub loads.

    Raises `CannotJudge` when git does not have it here.
    """
    if not entry.is_file:
        return None
    size = case.sizes([entry]).get(entry.oid)
    if size is not None and size > _AT_MOST:
        return None
    raw = case.read(entry, _AT_MOST)
    if raw is None:
        raise absent(path, entry.oid)
    return raw.decode("utf-8", "surrogateescape")


def _read(path: str, forge: str, text: str | None, read: Callable[[str], Owners]) -> _File:
    from ..core.code_owners import GITHUB_AT_MOST

    if text is None:
        return _File(path, forge, None, f"{forge} gets no owners from it: it is no file, or far too large")
    size = len(text.encode("utf-8", "surrogateescape"))
    if forge == "GitHub" and size >= GITHUB_AT_MOST:
        said = f"it has {size} bytes, and GitHub loads none of {GITHUB_AT_MOST} or more: nobody owns anything"
        return _File(path, forge, None, said)
    try:
        return _File(path, forge, read(text))
    except CannotJudge as error:
        raise error.at(path) from None


def _is_github(entries: Iterable[str]) -> bool:
    return any(path.startswith(".github/") for path in entries)


def _is_gitlab(entries: Iterable[str]) -> bool:
    return any(path.startswith(".gitlab/") or path == ".gitlab-ci.yml" for path in entries)
