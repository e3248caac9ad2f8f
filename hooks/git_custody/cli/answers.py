"""What only a person can say about a dataset: given as options, or asked for on a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from ..core.findings import CUSTODY, CannotJudge, RepoPath, Slot
from ..core.report import plain, sentence
from ..datasets.wrong_answers import wrong_date, wrong_license, wrong_text, wrong_url

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence
    from datetime import date
    from typing import Protocol

    from ..core.findings import Command
    from ..core.policy import Policy

    class Ask(Protocol):
        """A way to get an answer: `Asker.answer`, or `Asker.answer_or_leave`."""

        def __call__(
            self, option: str, question: str, default: str | None, wrong: Callable[[str], str | None], /
        ) -> str:
            """The answer."""


SOURCE_KINDS = (
    "original", "public-download", "licensed-third-party", "other-third-party", "scraped", "user-data",
    "synthetic", "derived", "internal",
)  # fmt: skip
# Four bytes for each character that an audit entry takes, and room for line ends.
_REASON_AT_MOST = 20_000
_SLOTS = {
    "title": "TITLE", "source-url": "URL", "publisher": "PUBLISHER", "license": "SPDX_ID", "reason": "REASON",
}  # fmt: skip


class Answers(NamedTuple):
    """The answers that were given, None where there is none; the names are those of the options."""

    title: str | None = None
    source_url: str | None = None
    source_kind: str | None = None
    retrieved: str | None = None
    publisher: str | None = None
    license: str | None = None
    id: str | None = None
    reason: str | None = None

    @property
    def describe(self) -> bool:
        """Whether something was said that belongs on a card."""
        return any(value is not None for value in self._replace(reason=None))

    def fields(self) -> dict[str, str]:
        """What was said, as fields of a card."""
        pairs = {
            "id": self.id,
            "title": self.title,
            "source.kind": self.source_kind,
            "source.url": self.source_url,
            "source.retrieved": self.retrieved,
            "source.publisher": self.publisher,
            "license": self.license,
        }
        return {field: value for field, value in pairs.items() if value is not None}


def add_options(arguments: ArgumentParser, *, reason: bool = True) -> None:
    """Declare the options that answer the questions of a card, and of an audit entry."""
    arguments.add_argument("--title", help="what the dataset is, in a few words")
    arguments.add_argument("--source-url", metavar="URL", help="where it was fetched from")
    arguments.add_argument(
        "--source-kind", metavar="KIND", choices=SOURCE_KINDS,
        help="how it was obtained (with --source-url: public-download): " + ", ".join(SOURCE_KINDS),
    )  # fmt: skip
    arguments.add_argument("--retrieved", metavar="YYYY-MM-DD", help="when it was fetched (default: today)")
    arguments.add_argument("--publisher", help="who published or made it")
    arguments.add_argument("--license", metavar="SPDX_ID", help="its licence, such as CC-BY-4.0")
    arguments.add_argument("--id", help="its name in the audit log (default: made from the file's name)")
    if reason:
        add_reason(arguments)


def add_reason(arguments: ArgumentParser) -> None:
    """Declare the options for a reason."""
    either = arguments.add_mutually_exclusive_group()
    either.add_argument("--reason", metavar="TEXT", help="why the data changed, for the audit log")
    either.add_argument("--reason-from", metavar="FILE", help="a file that says so; - is the standard input")


def from_options(given: Namespace) -> Answers:
    """The answers in parsed options. Raises `CannotJudge` when the file with the reason cannot be read."""
    names = [name for name in Answers._fields if name != "reason"]
    return Answers(**{name: getattr(given, name, None) for name in names}, reason=reason_of(given))


def reason_of(given: Namespace) -> str | None:
    """The reason in parsed options, from the file that they name if need be."""
    file = getattr(given, "reason_from", None)
    if file is None:
        reason: str | None = getattr(given, "reason", None)
        return reason
    named = "the standard input" if file == "-" else plain(file)
    try:
        if file == "-":
            raw = sys.stdin.buffer.read(_REASON_AT_MOST + 1)
        else:
            with open(file, "rb") as opened:
                raw = opened.read(_REASON_AT_MOST + 1)
    except OSError as error:
        raise CannotJudge(f"the reason cannot be read from {named}: {error.strerror}") from None
    if len(raw) > _REASON_AT_MOST:
        raise CannotJudge(f"the reason in {named} is too long: a few sentences will do; nothing was changed")
    try:
        # Bots run on Windows, too.
        return raw.decode("utf-8-sig").replace("\r\n", "\n").strip()
    except UnicodeDecodeError:
        raise CannotJudge(f"the reason in {named} is not UTF-8 text; nothing was changed") from None


# ---------------------------------------------------------------------- what is wrong with an answer


def checked(answers: Answers, policy: Policy, today: date) -> Answers:
    """The answers, held against the rules. Raises `CannotJudge` for one that cannot be right."""
    from ..datasets.survey import is_id

    spdx = answers.license.strip() if answers.license is not None else None
    faults = {
        "title": wrong_text(answers.title) if answers.title is not None else None,
        "publisher": wrong_text(answers.publisher) if answers.publisher is not None else None,
        "reason": wrong_text(answers.reason) if answers.reason is not None else None,
        "source-url": wrong_url(answers.source_url) if answers.source_url is not None else None,
        "retrieved": wrong_date(answers.retrieved, today) if answers.retrieved is not None else None,
    }
    for option, fault in faults.items():
        if fault is not None:
            raise CannotJudge(f"--{option} {fault}; nothing was changed")
    if spdx is not None and (fault := wrong_license(spdx, policy)) is not None:
        raise CannotJudge(f"--license: {fault}; nothing was changed")
    if answers.id is not None and not is_id(answers.id):
        raise CannotJudge("--id has to be 2 to 40 characters from a-z, 0-9 and -; nothing was changed")
    return answers._replace(license=spdx)


# ---------------------------------------------------------------------- asking


def slots_of(field: str) -> tuple[str | Slot, ...]:
    """The option that answers a field of a card, with a slot for the answer."""
    # An address says how it was obtained, too.
    option = {"source.kind": "source-url", "source.url": "source-url"}.get(field, field.rpartition(".")[2])
    return f"--{option}", Slot(_SLOTS.get(option, "YYYY-MM-DD"))


class Asker:
    """Asks on a terminal; without one it notes what is missing, and `demand` says so all at once."""

    def __init__(self) -> None:
        self.interactive = sys.stdin.isatty() and sys.stdout.isatty()
        self._missing: dict[str, None] = {}

    def answer(self, option: str, question: str, default: str | None, wrong: Callable[[str], str | None]) -> str:
        """The answer to a question; a stand-in, never to be written, where nobody can be asked."""
        if not self.interactive:
            if default is None:
                self._missing[option] = None
            return default or "missing"
        while True:
            text = self._line(f"{question}{f' [{default}]' if default else ''}: ") or default or ""
            fault = wrong(text)
            if fault is None:
                return text
            self._say(f"that {fault}" if fault.startswith(("is ", "only ", "lies ")) else fault)

    def answer_or_leave(
        self, option: str, question: str, default: str | None, wrong: Callable[[str], str | None]
    ) -> str:
        """Like `answer`, and "" where nobody can be asked, or somebody leaves it open."""
        if not self.interactive:
            return default or ""
        question = question if default else f"{question}, or nothing to leave it open"
        return self.answer(option, question, default, lambda text: wrong(text) if text else None)

    def agrees(self, question: str) -> bool:
        """Whether the answer to a yes-or-no question is yes, which it is unless no is said."""
        return self._line(f"{question} [Y/n] ").lower() not in ("n", "no")

    def demand(
        self, verb: Sequence[str], answers: Answers, words: Sequence[str], paths: Sequence[str]
    ) -> Command | None:
        """The whole command, with a slot for each missing answer; None when nothing is missing."""
        if not self._missing:
            return None
        line: list[str | RepoPath | Slot] = [CUSTODY, *verb, *words]
        for option in (*_SLOTS, "source-kind", "retrieved", "id"):
            value = getattr(answers, option.replace("-", "_"))
            if option in self._missing:
                line += [f"--{option}", Slot(_SLOTS[option])]
            elif value is not None:
                line += [f"--{option}", value]
        return (*line, *(RepoPath(path or ".") for path in paths))

    @property
    def missing(self) -> str:
        """What is missing, for a sentence."""
        shown = [f"--{option} {_SLOTS[option]}" for option in self._missing]
        shown = [f"{o} (or --source-kind original)" if o.startswith("--source-url") else o for o in shown]
        return ", ".join(shown)

    def _line(self, prompt: str) -> str:
        sys.stdout.write(sentence(prompt))
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            raise CannotJudge("stopped: nothing was changed")
        return line.strip()

    def _say(self, text: str) -> None:
        sys.stdout.write(sentence(text) + "\n")
