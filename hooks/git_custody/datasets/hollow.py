"""Free text that says nothing: placeholders, template text, filler, and the file's name over again."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# Letters to Unicode, nothing to the eye.
_BLANK_LETTERS = "\u115f\u1160\u2800\u3164\uffa0"
_PLACEHOLDERS = frozenset(
    re.split(
        r"[|\n]\s*",
        """todo|to do|tbd|tba|tbc|fixme|fix me|xxx|n/a|n.a|na|none|nil|null|nan|undefined|unknown|unspecified
        unnamed|untitled|not known|not specified|not stated|not provided|not given|not available
        not applicable
        to be done|to be determined|to be defined|to be decided|to be confirmed|to be announced|to be added
        to be filled|to be filled in|fill in|fill me in|fill this in|change me|changeme|replace me|coming soon
        placeholder|dummy|more information needed|information needed|more info needed|no title|no name
        no description|no reason|no publisher|no source|foo|foobar|foo bar|foo bar baz|bla|bla bla|bla bla bla
        blah|blah blah|blah blah blah|title|dataset title|publisher|reason|url|source url|spdx id|description
        dataset|data set|my dataset|your dataset|a dataset|the dataset
        dataset name|your name here|title here""",
    )
)
# The words that our own commands print where a person has to write something.
_SLOT = re.compile(
    r"(?:(?:NEW|YOUR|THE|DATASET|SOURCE)[_ -])?"
    r"(?:TITLE|PUBLISHER|URL|SOURCE|SPDX[_ -]ID|REASON|TEXT|NAME|OWNER|DESCRIPTION|LICEN[CS]E|DATE|DAY|PATH"
    r"|EMAIL|REVIEWER|CONDITION|TICKET|YYYY-MM-DD|PURPOSE|CONTACT|MODEL|METHOD|STEP|TOOL)\Z"
)
_FIELD = (
    r"(?:dataset|data|file|source|short|brief|full)?\s*"
    r"(?:title|name|description|publisher|source|url|reason|text|licen[cs]e|link|value)"
)
_TEMPLATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"[\[(<{]+\s*more information needed\s*[\])>}]+",
        r"\{\{[^{}]*\}\}|\{%[^{}]*%\}|\$\{[^{}]*\}|<%[^<>]*%>",
        r"\A(?:<[^<>]*>|\[[^\[\]]*\]|\{[^{}]*\}|__\w+__|%\w+%)\Z",
        rf"\A(?:please\s+)?(?:insert|enter|type|fill in)\s+(?:(?:your|a|an|the|some)\s+)?{_FIELD}\b"
        r"(?:\s+(?:of|for)\s+(?:the|this|your)\s+\w+)?(?:\s+here)?\W*\Z",
        r"\A(?:please\s+)?(?:insert|enter|type|fill in|add|write|put|describe)\b[^.]{0,60}\bhere\W*\Z",
        r"\A(?:insert|enter|fill in)\s*(?:\.\.\.|…)",
        rf"\A(?:your|my|the)\s+{_FIELD}(?:\s+(?:goes\s+)?here)?\W*\Z",
        r"\Ayour\s+[\w\s]{0,40}\bhere\W*\Z",
        r"\A(?:todo|fixme|tbd|tba|xxx)\s*(?:[:(\[]|[-–—]\s)",
        r"\A(?:todo|fixme|tbd)\s+"
        r"(?:add|fill|write|describe|insert|find|check|ask|complete|update|replace|decide|later|me)\b",
    )
)
_KEYS = re.compile(r"(?:asdf(?:gh?j?k?l?)?|qwert?[yz]?(?:uiop)?|zxcv(?:bn?m?)?|yxcv|hjkl)+\Z|(?:sdf|dfg|jkl){2,}\Z")
_FILE_NAME = re.compile(
    r"[\w.()+-]+\.(?:csv|tsv|jsonl?|ndjson|parquet|arrow|feather|avro|orc|tfrecords?|txt|xml|ya?ml|xlsx?|npy|npz"
    r"|h5|hdf5|sqlite|db|zip|tar|tgz|gz|bz2|xz|zst)\Z",
    re.IGNORECASE,
)
# Words of file names that tell one file from another, and nobody what is in it.
_NO_NEWS = frozenset(
    re.split(
        r"\s+",
        """a the my our your this new old final copy draft temp tmp file files data dataset datasets set sets
        train training test testing tests val valid validation dev eval evaluation holdout split part
        sample samples example examples export output out input in result results table sheet raw clean
        cleaned processed full all main base default version v v1 v2 v3 csv tsv json jsonl parquet txt""",
    )
)
_BLANK_CATEGORIES = frozenset(("Cc", "Cf", "Cn", "Co", "Cs"))


def hollow(value: str, *, file_names: Sequence[str] = ()) -> str | None:
    """Say why a text says nothing, as the rest of a sentence about it ("is empty"); None for any other text.

    `file_names` are names or paths of the files that the text speaks of: their names over again say nothing
    either, unless they are words written as words ("Support tickets" for ``support_tickets.csv``).
    """
    text = "".join(" " if c.isspace() else c for c in unicodedata.normalize("NFKC", value) if _visible(c))
    text = " ".join(text.split())
    if not text:
        return "is empty"
    if not any(unicodedata.category(character)[0] in "LN" for character in text):
        return f'is only "{_cut(text)}", which says nothing'
    words = text.casefold()
    core = words.strip(" .,;:!?-–—_*#\"'`“”‘’()[]{}<>…")
    if core in _PLACEHOLDERS or words in _PLACEHOLDERS or _SLOT.match(text):
        return f'is the placeholder "{_cut(text)}"'
    if any(pattern.search(text) for pattern in _TEMPLATES):
        return f'is template text, "{_cut(text)}"'
    if _filler(words, text, core):
        return f'is filler, "{_cut(text)}"'
    if _names_a_file(text, file_names):
        return f'only repeats a file name, "{_cut(text)}"'
    return None


def _visible(character: str) -> bool:
    if character.isspace():
        return True
    return unicodedata.category(character) not in _BLANK_CATEGORIES and character not in _BLANK_LETTERS


def _filler(words: str, text: str, core: str) -> bool:
    if re.match(r"lorem ipsum(?:\W*\Z|\W+dolor\b)", words):
        return True
    letters = [character for character in words if character.isalnum()]
    if len(letters) >= 4 and letters[0].isascii() and len(set(letters)) == 1:
        return True
    if len(letters) == 1 and letters[0].isascii() and not any(character.isupper() for character in text):
        return True
    # A row of keys can be read in two ways: without a limit that doubles with every one.
    return len(core) <= 40 and bool(_KEYS.match(core.replace(" ", "")))


def _names_a_file(text: str, file_names: Sequence[str]) -> bool:
    if _FILE_NAME.match(text):
        return True
    squeezed = _squeeze(text)
    names = {_squeeze(form) for name in file_names for form in _forms(name)}
    if squeezed not in names:
        return False
    parts = text.casefold().split()
    prose = len(parts) > 1 and any(character.isalpha() for character in text)
    return not prose or all(part in _NO_NEWS or not part.isalpha() for part in parts)


def _forms(path: str) -> list[str]:
    """List a file's name, whole and with one extension after the other taken off."""
    name = path.rstrip("/").rpartition("/")[2]
    forms = [path, name]
    for _ in range(4):
        stem, dot, _extension = name.rpartition(".")
        if not dot or not stem:
            break
        name = stem
        forms.append(name)
    return forms


def _squeeze(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if character.isalnum()) or folded


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
