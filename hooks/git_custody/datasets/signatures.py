"""Signatures of datasets: who stands for which content, verified from digests, without the content (LLMSVS 2.4).

Two kinds are read. An SSH signature, as `ssh-keygen -Y sign -n git-custody-dataset` makes it, is over one line: the
dataset's id, a space, and its content digest (``support-tickets sha256:9f86…\\n``); so it stays with its dataset
through renames, and fits no other one. An OpenSSF model signature lists the files itself (`model_signing`). Both have
to be by a key that `.custody/allowed_signers` lists for ``dataset``: in a range, the file of the base.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core import assets
from ..core.findings import CUSTODY, CannotJudge, Finding, NotJudged, Operator, RepoPath, Rule, Slot, absent
from ..core.pages import page
from . import lineage
from . import survey as surveys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..core.case import Case, Said
    from ..core.digests import Digest
    from ..core.findings import Command
    from ..core.signers import Key
    from ..core.trees import Entry, Tree
    from .survey import Dataset

MISSING = Rule(
    "missing-signature", ("2.4",), 3,
    "A dataset has no signature.",
    "A digest says that content is unchanged since it was recorded; only a signature says by whom.",
    "Sign it, with SSH or with model-signing, by a key that `.custody/allowed_signers` lists for `dataset`: "
    "docs/integrity.md has that line, and the two commands of each.",
    "A signature says who stands for the content, not that it is right.",
)  # fmt: skip
INVALID = Rule(
    "invalid-signature", ("2.4",), 2,
    "The signature of a dataset does not hold.",
    "The content is not what was signed, or nobody signed it who may.",
    "Have one whom `.custody/allowed_signers` lists for `dataset` look at the content and sign it again. To remove the "
    "signature instead needs a waiver (removed-signature).",
    "Keys are held against `.custody/allowed_signers`; certificate authorities and transparency logs (Fulcio, Rekor) "
    "are not asked, and what they say in a bundle is not verified. An SSH signature holds no time: a key whose "
    "`valid-before` has passed verifies nothing any more.",
    about_content=True,
)  # fmt: skip
REMOVED = Rule(
    "removed-signature", ("2.4",), 2,
    "A change takes the signature of a dataset away and leaves the data.",
    "What somebody stood for would then be as easy to change as data that nobody signed.",
    "Put the signature back. Where the content changed, have it signed again; where nobody can sign it any more, waive "
    "this with the reason.",
    "Said with the change that does it, and where its dataset keeps its id; from level 3 on missing-signature says it, "
    "then and later. OpenPGP signatures count for nothing.",
)  # fmt: skip
RULES = (MISSING, INVALID, REMOVED)

ROLE = "dataset"
NAMESPACE = "git-custody-dataset"
# Of an SSH signature; that of an RSA key of 16384 bits has less.
_AT_MOST = 64 * 1024
_OPENPGP = (b"-----BEGIN PGP", b"\x88", b"\x89", b"\x8a", b"\xc2")


def statement(dataset_id: str, digest: Digest) -> bytes:
    """What an SSH signature of a dataset is over."""
    ((algorithm, value),) = digest.items()
    return f"{dataset_id} {algorithm}:{value}\n".encode("ascii")


def places(dataset: Dataset) -> tuple[str, ...]:
    """Where signatures of a dataset may lie."""
    return _places(dataset.card, dataset.path, is_folder=dataset.is_folder)


def _places(card: str, path: str, *, is_folder: bool) -> tuple[str, str]:
    if not is_folder:
        return (f"{path}.sig", f"{path}.sigstore.json")
    return (f"{path}/model.sig" if path else "model.sig", f"{card}.sig")


def check(case: Case) -> Iterator[Said]:
    """Verify the signatures that are there, and ask for those that are not."""
    if not case.enforces(INVALID) or not case.touches_assets:
        return
    for dataset in _in_question(case):
        if not dataset.files or dataset.id is None:
            continue  # said by the rules about cards
        there = [path for path in places(dataset) if path in case.after]
        if not there:
            yield from _unsigned(case, dataset)
        for path in there:
            yield from _judge(case, dataset, path)


def _in_question(case: Case) -> Iterator[Dataset]:
    found = {dataset.card: dataset for dataset in surveys.survey(case).datasets}
    for path in () if case.is_whole else case.changed:
        for card in _cards_of(path, case):
            if card not in found and card in case.after:
                found[card] = surveys.dataset(case, card)
    yield from (found[card] for card in sorted(found))


def _cards_of(path: str, case: Case) -> Iterator[str]:
    """The cards whose dataset a path may be the signature of."""
    folder, _, name = path.rpartition("/")
    if name == "model.sig":
        yield f"{folder}/datacard.yaml" if folder else "datacard.yaml"
    elif name == "datacard.yaml.sig":
        yield path.removesuffix(".sig")
    elif name.endswith((".sig", ".sigstore.json")):
        yield assets.sidecar(path.removesuffix(".sig").removesuffix(".sigstore.json"))


def _unsigned(case: Case, dataset: Dataset) -> Iterator[Finding]:
    if case.enforces(MISSING):
        yield _missing(case, dataset)
    elif lost := _lost(case, dataset):
        said = f"this change takes away its signature, and leaves the data: {', '.join(lost)}"
        yield Finding(REMOVED, dataset.shown_path, said)


def _lost(case: Case, dataset: Dataset) -> list[str]:
    """The signatures that a dataset had before the change, perhaps in another place, and has no longer."""
    had = {path: change.before for path in places(dataset) if (change := case.changed.get(path)) is not None}
    card = lineage.card_before(case, dataset.id or "")
    if card is not None and card != dataset.card and (name := assets.card_name(card)) is not None:
        had.update((path, case.before.get(path)) for path in _places(card, name.subject, is_folder=name.is_folder))
    entries = {path: entry for path, entry in had.items() if entry is not None}
    raw = case.read_many(entries.values())
    return [path for path, entry in entries.items() if not raw.get(entry.oid, b"").startswith(_OPENPGP)]


def _missing(case: Case, dataset: Dataset) -> Finding:
    return Finding(
        MISSING, dataset.shown_path, "nobody has signed this dataset", fix=_signing(dataset, places(dataset)[0]),
        found=f"none of {' and '.join(places(dataset))}; KEY is the file of a private key, and "
        f".custody/allowed_signers says whose key may sign, in a line for {ROLE} ({page('integrity')})",
        unless=("digest-mismatch",),
    )  # fmt: skip


def _signing(dataset: Dataset, place: str, raw: bytes = b"") -> tuple[Command, ...]:
    """The commands that sign a dataset anew, in the way of the signature that is there."""
    if raw.lstrip()[:1] == b"{":
        ignored = ("--ignore-paths", RepoPath(dataset.card)) if dataset.is_folder else ()
        sign: Command = (
            "model_signing", "sign", "key", RepoPath(dataset.path or "."), "--private_key", Slot("KEY"),
            "--signature", RepoPath(place), *ignored,
        )  # fmt: skip
    else:
        sign = (
            CUSTODY, "card", "show", "--statement", RepoPath(dataset.shown_path), Operator("|"),
            "ssh-keygen", "-Y", "sign", "-f", Slot("KEY"), "-n", NAMESPACE, Operator(">"), RepoPath(place),
        )  # fmt: skip
    return (sign, ("git", "add", RepoPath(place)))


def _judge(case: Case, dataset: Dataset, path: str) -> Iterator[Said]:
    from .model_signing import AT_MOST, Unfit

    entry = case.after[path]
    try:
        digest = surveys.digest(case, dataset)
        if digest is None:
            return
        allowed = _allowed(case)
        remembered = "\0".join(
            (entry.oid, str(dataset.id), dataset.path, *digest.values(), allowed.hex(), str(case.today))
        )
        if case.verdict("signature", remembered) is not None:
            return
        raw = case.read(entry, AT_MOST) if entry.is_file else b""
        if raw is None:
            raise absent(path, entry.oid)
    except CannotJudge as error:
        yield error if error.path else error.at(path)
        return
    if raw.startswith(_OPENPGP):
        yield NotJudged(path, "it is an OpenPGP signature; only SSH and OpenSSF model signatures are verified")
        yield from _unsigned(case, dataset)
        return
    try:
        _verify(case, dataset, raw, allowed, digest)
    except Unfit as fault:
        is_new = _holds_at_head(case, dataset, raw, allowed, digest)
        said, fix = (_NEW_SIGNER, ()) if is_new else (str(fault), _signing(dataset, path, raw))
        yield Finding(
            INVALID, path, f"this signature {said}", found=f"the signature is of {dataset.shown_path}", fix=fix,
            digest=next(iter(digest.values())), unless=(("digest-mismatch", dataset.shown_path),),
        )  # fmt: skip
    except CannotJudge as error:
        yield error.at(path)
    else:
        case.remember("signature", remembered, "")


_NEW_SIGNER = (
    f"is by a key that .custody/allowed_signers lists for {ROLE} in this range, but not at its base, whose list "
    "counts: merge that line in a change of its own first, then rebase this one"
)


def _verify(case: Case, dataset: Dataset, raw: bytes, allowed: bytes, digest: Digest) -> None:
    from ..core.signers import keys

    if raw.lstrip()[:1] == b"{":
        _model_signature(case, dataset, raw, keys(allowed, NAMESPACE, case.today))
    else:
        _ssh_signature(case, dataset, raw, allowed, digest)


def _holds_at_head(case: Case, dataset: Dataset, raw: bytes, allowed: bytes, digest: Digest) -> bool:
    """Whether a signature that does not hold by the list that counts would do so by the list of the judged state."""
    from .model_signing import Unfit

    try:
        here = _lines(case, case.settings_after)
        if here == allowed:
            return False
        _verify(case, dataset, raw, here, digest)
    except (Unfit, CannotJudge):
        return False
    return True


def _allowed(case: Case) -> bytes:
    """The lines of allowed_signers that may sign datasets, of the tree whose settings count."""
    return _lines(case, case.settings_after if case.settings.tree == case.change_set.tree else case.settings_at_base)


def _lines(case: Case, entries: Tree) -> bytes:
    from ..core import settings
    from ..core.signers import SIGNERS, for_role

    return for_role(settings.settings_bytes(case, SIGNERS, entries) or b"", ROLE)


def _ssh_signature(case: Case, dataset: Dataset, raw: bytes, allowed: bytes, digest: Digest) -> None:
    from ..core.signers import keys, read_ssh_signature, verifies
    from .model_signing import Unfit

    found = read_ssh_signature(raw) if len(raw) <= _AT_MOST else None
    if found is None:
        raise Unfit("is neither an SSH signature nor an OpenSSF model signature, so that nobody can verify it")
    if found.namespace != NAMESPACE:
        raise Unfit(f'is for "{found.namespace}", and has to be for {NAMESPACE} (ssh-keygen -Y sign -n)')
    if found.key not in [key.blob for key in keys(allowed, NAMESPACE, case.today)]:
        raise Unfit(_nobody(allowed))
    if not verifies(statement(dataset.id or "", digest), raw, allowed, ROLE, NAMESPACE):
        raise Unfit("is over another content, or of another dataset")


def _nobody(allowed: bytes) -> str:
    if not allowed:
        return f"is by nobody who may sign: .custody/allowed_signers lists no key for {ROLE}"
    return f"is by a key that .custody/allowed_signers does not list for {ROLE} and {NAMESPACE}, or not any more"


def _model_signature(case: Case, dataset: Dataset, raw: bytes, listed: list[Key]) -> None:
    from .model_signing import Unfit, difference, verified

    signed = verified(raw, listed)
    start = len(dataset.path) + 1 if dataset.is_folder and dataset.path else 0
    if dataset.is_folder:
        files = {path[start:]: entry for path, entry in dataset.files.items()}
        prefix = f"{dataset.path}/" if dataset.path else ""
        others = {name: case.after[prefix + name] for name in signed.resources if prefix + name in case.after}
    else:
        files, others = {".": next(iter(dataset.files.values()))}, {}
    name = dataset.path.rpartition("/")[2]
    if name and signed.name != name:
        raise Unfit(f"is of {signed.name}, and this is {name}")
    said = difference(signed, _digests(case, files), _digests(case, others))
    if said is not None:
        raise Unfit(said)


def _digests(case: Case, files: Mapping[str, Entry]) -> dict[str, str | None]:
    known = case.sha256(entry for entry in files.values() if entry.mode != 0o160000)
    return {name: known.get(entry.oid) for name, entry in files.items()}
