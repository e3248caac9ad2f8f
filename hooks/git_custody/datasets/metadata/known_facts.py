"""What other metadata files say already, so that nobody is asked for it: offered where no option says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...core.case import Case
    from ..survey import Dataset
    from .facts import Fact, Name

_WORDS: dict[Name, str] = {
    "title": "title", "description": "description", "license": "licence", "url": "address", "publisher": "publisher",
    "version": "version", "language": "language", "published": "day of publication",
}  # fmt: skip


class KnownFacts:
    """What is known of one dataset, and what of it was used."""

    def __init__(self, case: Case, dataset: Dataset) -> None:
        from .nearby import stated

        self._all = stated(case, dataset)
        self._offered: dict[Name, Fact] = {}
        self._used: dict[Name, Fact] = {}

    def offer(self, name: Name, wrong: Callable[[str], str | None] | None = None) -> str | None:
        """What the nearest file says, where that is good enough for a card; None where files contradict each other
        about a licence: then a person has to look.
        """
        facts = [one.facts[name] for one in self._all if name in one.facts]
        if not facts or (name == "license" and len({fact.value for fact in facts}) > 1):
            return None
        fact = next((fact for fact in facts if wrong is None or wrong(fact.value) is None), None)
        if fact is None:
            return None
        self._offered[name] = fact
        return fact.value

    def take(self, name: Name, wrong: Callable[[str], str | None] | None = None) -> str | None:
        """What is written on the card without a question."""
        value = self.offer(name, wrong)
        self.used(name, value)
        return value

    def used(self, name: Name, value: str | None) -> None:
        """Note the answer that was given: whether it is what was offered."""
        fact = self._offered.get(name)
        if fact is not None and fact.value == value:
            self._used[name] = fact

    def told(self) -> str | None:
        """One sentence on what was taken from where; None when nothing was."""
        places: dict[str, list[str]] = {}
        for name, fact in self._used.items():
            places.setdefault(fact.file, []).append(
                _WORDS[name] + (f" (line {fact.line})" if fact.line is not None else "")
            )
        said = (f"{_joined(names)} from {file}" for file, names in places.items())
        return "; ".join(said) or None


def _joined(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
