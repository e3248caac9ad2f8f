"""Where the paperwork of datasets is done: cards and what their logs lack."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ..core import assets, spelling, worktree
from ..core.findings import CUSTODY, CannotJudge, RepoPath, absent
from ..core.report import plain
from ..datasets import cards as card_texts
from ..datasets import signatures
from ..datasets import survey as surveys
from ..datasets.audit_log import heads, read_log
from ..datasets.cards import FETCHED
from ..datasets.metadata.known_facts import KnownFacts
from ..datasets.moved_and_edited import move_command, moved_and_edited
from ..datasets.weak_names import locked
from ..datasets.wrong_answers import wrong_date, wrong_languages, wrong_license, wrong_text, wrong_url
from .answers import SOURCE_KINDS, Answers, slots_of
from .bench import Change, opened, report
from .ledger import AUDIT_HOOK, Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..core.digests import Digest
    from ..datasets.survey import Dataset
    from ..datasets.weak_names import Measured
    from .answers import Ask

__all__ = ["AUDIT_HOOK", "Change", "Desk", "opened", "report"]


class Desk(Ledger):
    """Cards and audit entries to be written."""

    # ------------------------------------------------------------------ cards as they are in the work tree

    def take_up(self, cards: Iterable[str]) -> None:
        """Put cards of the work tree into the scratch index: what the user wrote is what is worked on.

        Conflicts in what the tool wrote are settled. Raises `CannotJudge` for others.
        """
        texts = {}
        root, after = self.git.root, self.case.after
        for card in dict.fromkeys(spelling.as_tracked(root, card, after) for card in cards):
            text = worktree.read_file(root, card)
            if text is not None:
                try:
                    texts[card] = card_texts.without_conflicts(text)
                except CannotJudge as error:
                    raise error.at(card, error.line) from None
        entries = {card: entry for card in texts if (entry := self.case.after.get(card)) and entry.is_file}
        known = self.case.read_many(entries.values())
        texts = {c: t for c, t in texts.items() if c not in entries or known.get(entries[c].oid) != t}
        if texts:
            self.scratch.put_all(texts)
            self.reopen()

    def take_up_conflicts(self) -> None:
        """Put the cards into the scratch index whose merge conflicts are about nothing but the content."""
        for card in sorted(self.scratch.unmerged()):
            name = assets.card_name(card)
            if name is not None and name.kind == "data" and worktree.is_file(self.git.root, card):
                with suppress(CannotJudge):
                    self.take_up([card])

    def cards_near(self, path: str) -> Iterator[str]:
        """The cards in the work tree that may speak of a path: its own, and those of folders."""
        for card in (assets.sidecar(path), *assets.folder_cards(path)):
            if worktree.is_file(self.git.root, card):
                yield card

    def refuse_undecided(self, dataset_id: str) -> None:
        """Raise `CannotJudge` when a dataset only seems to be gone, because its card is unmerged."""
        from ..datasets.survey import ids_of_all_cards

        undecided = self.scratch.unmerged()
        for card, found in ids_of_all_cards(self.head).items() if undecided else ():
            if found == dataset_id and card in undecided:
                self.take_up([card])  # says where the conflict is
                raise CannotJudge(self._unresolved(card), card)

    def refuse_unmerged(self, card: str) -> None:
        """Raise `CannotJudge` when what a card speaks of is unmerged."""
        name = assets.card_name(card)
        undecided = sorted(self.scratch.unmerged() - {card})
        prefix = "" if name is None or not name.subject else f"{name.subject}/"
        for path in undecided:
            mine = name is not None and (
                path.startswith(prefix) and not assets.is_paperwork(path) if name.is_folder
                else path in (name.subject, f"{name.subject}.dvc")
            )  # fmt: skip
            if mine:
                raise CannotJudge(self._unresolved(path), path)

    def is_conflict_over_nothing(self, path: str) -> bool:
        """Whether a card is unmerged and has no file in the work tree: both sides have moved or removed it."""
        name = assets.card_name(path)
        is_card = name is not None and name.kind == "data" and name.well_named
        return is_card and path in self.git.unmerged() and not worktree.exists(self.git.root, path)

    def _unresolved(self, path: str) -> str:
        return f"its merge conflict is not resolved: mend it, then run: {self.command(CUSTODY, 'add', RepoPath(path))}"

    # ------------------------------------------------------------------ one dataset

    def new_card(self, path: str, is_folder: bool, answers: Answers) -> None:
        """Write the card of a dataset that has none, and what its log needs."""
        place = locked(self.case, path) or path
        files = assets.files_under(path, self.case.after) if is_folder else {place: self.case.after[place]}
        card = (f"{path}/datacard.yaml" if path else "datacard.yaml") if is_folder else assets.sidecar(path)
        found = surveys.Dataset(card, path, is_folder, None, files)
        measured = self._measured(found)
        if measured is None:
            return
        digest = measured.digest
        moved = self._card_of_moved(digest)
        if moved is not None:
            old, text = moved
            self._moved.add(old)
            self.remove_card(old)
            self._move_signatures(old, found)
            self._card(found, text, measured, answers, f"moved here from {plain(old)}")
            return
        pair = moved_and_edited(self.case, surveys.survey(self.case))
        if pair is not None and pair[1] == path and answers.title is None:
            line = self.command(*move_command(self.case, *pair))
            raise CannotJudge(f"it seems to be {pair[0]}, moved and edited: {line}; if it is new, say --title", path)
        dataset_id = answers.id or self._id_for(path or os.path.basename(self.git.root))
        if answers.id is not None and answers.id in self._ids():
            raise CannotJudge(f'the id "{answers.id}" is that of another dataset; choose another one', card)
        self.taken.add(dataset_id)
        names = found.names
        known = KnownFacts(self.case, found)
        title = answers.title
        if title is None:
            title = self._title(found, known, self.asker.answer)
        elif (fault := wrong_text(title, names)) is not None:
            raise CannotJudge(f"--title {fault}; nothing was changed")
        source = self._source(answers, known)
        spdx = answers.license or self._license(known, self.asker.answer)
        languages = known.take("language", wrong_languages)
        text = card_texts.render_card(
            id=dataset_id, title=title, source=source, license=spdx, digest=digest,
            bytes=measured.bytes, md5=measured.md5, files=measured.files,
            media_type=None if is_folder else card_texts.media_type(path.removesuffix(".dvc")),
            description=known.take("description", lambda text: wrong_text(text, names)),
            language=tuple(dict.fromkeys(languages.split())) if languages else (),
        )  # fmt: skip
        self._tell_taken(card, known)
        self.changes[card] = Change(card, text, f"card made, id {dataset_id}")
        self.concerned += [card, path]
        self.record(dataset_id, path or ".", digest, answers.reason, at_head=lambda: self.state_in_head(found))

    def _tell_taken(self, card: str, known: KnownFacts) -> None:
        if (told := known.told()) is not None:
            self.notes.append(f"taken for {card}: {told}; options of git custody card update change it")

    def _title(self, found: Dataset, known: KnownFacts, ask: Ask) -> str:
        def wrong(text: str) -> str | None:
            return wrong_text(text, found.names)

        title = ask("title", f"title of {plain(found.path or '.')}", known.offer("title", wrong), wrong)
        known.used("title", title)
        return title

    def _license(self, known: KnownFacts, ask: Ask) -> str:
        policy = self.case.policy

        def wrong(text: str) -> str | None:
            return wrong_license(text, policy)

        offered = known.offer("license", wrong) or policy.default_license
        spdx = ask("license", "licence, as an SPDX id", offered, wrong)
        known.used("license", spdx)
        return spdx

    def _publisher(self, known: KnownFacts, ask: Ask) -> str:
        offered = known.offer("publisher", wrong_text) or self.case.policy.default_publisher
        publisher = ask("publisher", "who published or made it", offered, wrong_text)
        known.used("publisher", publisher)
        return publisher

    def _origin(self, kind: str | None, known: KnownFacts, ask: Ask) -> tuple[str, str]:
        """The address that the data are from, "" where there is none, and how they were obtained."""
        offered = known.offer("url", wrong_url)
        if kind is None:
            kinds = ", ".join(SOURCE_KINDS)
            kind = ask(
                "source-url", f"where it was fetched from (URL), or how it was obtained ({kinds})", offered,
                lambda text: None if text in SOURCE_KINDS else wrong_url(text),
            )  # fmt: skip
            if kind and kind not in SOURCE_KINDS:
                known.used("url", kind)
                return kind, "public-download"
        if kind not in FETCHED:
            return "", kind
        url = ask("source-url", "where it was fetched from (URL)", offered, wrong_url)
        known.used("url", url)
        return url, kind

    def _source(self, answers: Answers, known: KnownFacts) -> card_texts.Source:
        url, kind = answers.source_url, answers.source_kind
        if url is None:
            address, kind = self._origin(kind, known, self.asker.answer)
            url = address or None
        publisher = answers.publisher or self._publisher(known, self.asker.answer)
        if url is None:
            return card_texts.Source(kind or "public-download", publisher, None, answers.retrieved)
        today = self.case.today
        return card_texts.Source(
            kind or "public-download", publisher, url, answers.retrieved or today.isoformat(),
            known.take("version"), known.take("published", lambda text: wrong_date(text, today)),
        )  # fmt: skip

    def update(
        self, card: str, answers: Answers, *, log: bool = True, op: str | None = None, keep_id: bool = True,
        complete: bool = False,
    ) -> None:  # fmt: skip
        """Make a card fit its dataset, with the fields that were given, and record what its log lacks. `complete`: find
        out nearby, or ask for, what the card lacks.
        """
        self.refuse_unmerged(card)
        found = surveys.dataset(self.case, card)
        entry = self.case.after[card]
        if not entry.is_file:
            raise CannotJudge("a data card has to be a plain file", card)
        if not found.files:
            self.remove_card(card)
            self._remove_signatures(found)
            if log and found.id is not None and self._sharing(found.id) == [card]:
                self.deleted(found.id, answers.reason)
            return
        measured = self._measured(found)
        text = self.case.read(entry)
        if text is None:
            raise absent(card, entry.oid)
        if measured is not None:
            self._card(found, text, measured, answers, None, log=log, op=op, keep_id=keep_id, complete=complete)

    def _card(
        self, found: Dataset, text: bytes, measured: Measured, answers: Answers, told: str | None, *,
        log: bool = True, op: str | None = None, keep_id: bool = True, complete: bool = False,
    ) -> None:  # fmt: skip
        card = found.card
        try:
            data = card_texts.fields_of(text)
            fields = answers.fields()
            source = data.get("source")
            source = source if isinstance(source, dict) else {}
            if answers.source_url not in (None, source.get("url")):
                fields.setdefault("source.retrieved", self.case.today.isoformat())
                if source.get("kind") in (None, "original", "synthetic", "derived"):
                    fields.setdefault("source.kind", "public-download")
            if keep_id and answers.id not in (None, data.get("id")):
                change = self.command(CUSTODY, "card", "update", "--id", answers.id or "", RepoPath(card))
                raise CannotJudge(f'this dataset has the id "{data.get("id")}"; to change it: {change}')
            edited = card_texts.with_fields(text, fields) if fields else text
            edited = self._completed(found, edited) if complete else edited
            content = data.get("content")
            known = isinstance(content, dict) and "media_type" in content
            media = None if known or found.is_folder else card_texts.media_type(found.path.removesuffix(".dvc"))
            edited = card_texts.with_content(
                edited, measured.digest, measured.bytes, media, measured.md5, measured.files
            )
            edited = card_texts.with_owed_line_mended(edited)
            dataset_id = card_texts.fields_of(edited).get("id")
        except CannotJudge as error:
            raise error.at(card, error.line) from None
        if edited != worktree.read_file(self.git.root, card) or edited != self._staged(card):
            fallback = "updated" if edited != text else "as it is"
            self.changes[card] = Change(card, edited, f"card {told or fallback}")
        self.concerned += [card, found.path]
        if log and isinstance(dataset_id, str) and surveys.is_id(dataset_id):
            self._refuse_copy(card, dataset_id)
            self.record(
                dataset_id, found.path or ".", measured.digest, answers.reason, op=op,
                at_head=lambda: self.state_in_head(found, dataset_id),
            )  # fmt: skip

    def _completed(self, found: Dataset, text: bytes) -> bytes:
        """The card with what it lacks, as far as files nearby tell it or somebody on a terminal does."""
        data = card_texts.fields_of(text)
        owed, source = card_texts.owed(data), data.get("source", {})
        if not owed or not isinstance(source, dict):
            return text
        known, ask = KnownFacts(self.case, found), self.asker.answer_or_leave
        fields = {"title": self._title(found, known, ask)} if "title" in owed else {}
        kind, url = source.get("kind"), source.get("url")
        if not kind and url:
            kind = fields["source.kind"] = "public-download"
        elif "source.kind" in owed or "source.url" in owed:
            url, kind = self._origin(kind, known, ask)
            fields |= {"source.kind": kind, "source.url": url}
        if kind in FETCHED and url and not source.get("retrieved"):
            fields["source.retrieved"] = self.case.today.isoformat()
        if "source.publisher" in owed:
            fields["source.publisher"] = self._publisher(known, ask)
        if "license" in owed:
            fields["license"] = self._license(known, ask)
        text = card_texts.with_fields(text, {field: value for field, value in fields.items() if value})
        self._tell_taken(found.card, known)
        if left := card_texts.owed(card_texts.fields_of(text)):
            give = (word for field in left for word in slots_of(field))
            line = self.command(CUSTODY, "add", *give, RepoPath(found.shown_path))
            self.notes.append(f"{found.card} still lacks {', '.join(left)}; run: {line}")
        return text

    def _sharing(self, dataset_id: str) -> list[str]:
        """The cards with this id: more than one after a dataset was copied with its card."""
        from ..datasets.survey import ids_of_all_cards

        return [card for card, found in ids_of_all_cards(self.case).items() if found == dataset_id]

    def _refuse_copy(self, card: str, dataset_id: str) -> None:
        """Raise `CannotJudge` when the id of a card belongs to another one: its log is not this dataset's."""
        from ..check_dataset_card import keeper_of, new_id

        sharing = self._sharing(dataset_id)
        keeper = keeper_of(self.case, dataset_id, sharing) if card in sharing and len(sharing) > 1 else None
        if keeper not in (None, card):
            own = self.command(*new_id(card))
            raise CannotJudge(f'its id "{dataset_id}" is that of {keeper}; to give it one of its own: {own}', card)

    def gone(self, dataset_id: str, reason: str | None) -> None:
        """Record where a dataset went whose card HEAD has, and the index has not at that place."""
        from ..datasets.survey import ids_of_all_cards

        card = next((card for card, found in ids_of_all_cards(self.case).items() if found == dataset_id), None)
        if card is None and dataset_id not in self.taken:
            self.deleted(dataset_id, reason)
        elif card is not None and card not in self.changes:
            self.update(card, Answers(reason=reason))

    def deleted(self, dataset_id: str, reason: str | None) -> None:
        """Record that a dataset is gone."""
        self.refuse_undecided(dataset_id)
        state = self.id_in_head(dataset_id)
        path = state.path if state is not None else self.last_path(dataset_id)
        if path is not None:
            self.record(dataset_id, path, None, reason, at_head=lambda: state)

    # ------------------------------------------------------------------ what a card needs

    def _measured(self, found: Dataset) -> Measured | None:
        for path in found.files:
            if any("\udc80" <= character <= "\udcff" for character in path):
                raise CannotJudge(
                    "its name is not UTF-8, so no card or audit entry can speak of it: rename it first; "
                    "nothing was changed",
                    path,
                )
            if surveys.is_ambiguous(path):
                raise CannotJudge(
                    "the name of a dataset must not hold a line break or a backslash: rename it first; "
                    "nothing was changed",
                    path,
                )
        if not all(self.case.holds_content(path) for path in found.files):
            self.concerned += [found.card, *found.files]
            return None  # a link: what is owed will say so
        return surveys.measured(self.case, found)

    def remove_card(self, card: str, told: str = "card removed, because its data are gone") -> None:
        """Take away a card that lost its data."""
        self.changes[card] = Change(card, None, told)
        self.concerned.append(card)

    def _move_signatures(self, old: str, found: Dataset) -> None:
        """Take the signatures of a file along with its card: what they are over has not changed."""
        name = assets.card_name(old)
        if name is None or name.is_folder or found.is_folder:
            return  # those in a folder move with it
        before = surveys.Dataset(old, name.subject, False, None, {})
        for there, here in zip(signatures.places(before), signatures.places(found), strict=True):
            entry = self.case.after.get(there)
            raw = self.case.read(entry) if entry is not None and entry.is_file else None
            if raw is not None and here not in self.case.after:
                self._moved.add(there)
                self.changes[here] = Change(here, raw, f"signature moved here from {plain(there)}")
                self.changes[there] = Change(there, None, "signature moved")

    def _remove_signatures(self, found: Dataset) -> None:
        """Take away the signatures of data that are gone."""
        for path in signatures.places(found):
            if path in self.case.after:
                self.changes[path] = Change(path, None, "signature removed, because its data are gone")

    def _card_of_moved(self, digest: Digest) -> tuple[str, bytes] | None:
        """The card of a dataset with this content whose place is empty now: it has moved."""
        for case in (self.case, self.head):
            for card, entry in case.after.items():
                name = assets.card_name(card)
                if name is None or name.kind != "data" or not name.well_named or not entry.is_file:
                    continue
                if card in self.changes or (case is self.head and card in self.case.after):
                    continue
                if surveys.is_there(self.case, name):
                    continue
                document = case.document(entry, "data-card")
                data = document.data if document is not None else None
                if not isinstance(data, dict):
                    continue
                # A card that still owes answers moves like any other.
                content, dataset_id = data.get("content"), data.get("id")
                if not isinstance(content, dict) or content.get("digest") != digest:
                    continue
                if not isinstance(dataset_id, str) or not surveys.is_id(dataset_id) or dataset_id in self.taken:
                    continue
                text = case.read(entry)
                if text is not None and (case is self.case or dataset_id not in self._ids()):
                    self.taken.add(dataset_id)
                    return card, text
        return None

    def _ids(self) -> set[str]:
        from ..datasets.survey import ids_of_all_cards

        return set(ids_of_all_cards(self.case).values()) | self.taken

    def _id_for(self, path: str) -> str:
        """The id whose log ends at this path, else a new one that neither a card nor a log has."""
        mine = self._ids()
        logs = {p.removeprefix(assets.AUDIT).partition("/")[0] for p in self.case.after if p.startswith(assets.AUDIT)}
        for dataset_id in sorted(logs - mine):
            log = read_log(dataset_id, self.files_in(self.case, dataset_id))
            if any(log.entries[head].path == path for head in heads(log)):
                return dataset_id
        return card_texts.propose_id(path, mine | logs)
