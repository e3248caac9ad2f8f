"""Addresses as browsers read them, and none that two programs may read differently.

The rules are those of the WHATWG URL Standard (https://url.spec.whatwg.org/), RFC 3986 and, for package URLs, ECMA-427.
A browser mends a great deal: it drops tabs, takes ``\\`` for ``/``, decodes ``%2e`` in a host, and reads
``https://good.example@evil.example/`` as evil.example and ``0x7f.1`` as 127.0.0.1. Here only what every reader agrees
on is mended (case, a default port, ``.`` and ``..``); for everything else it is said why it cannot be compared.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

LONGEST = 4000
# The ports that a browser leaves out (URL Standard, "special scheme"); only in these does it treat dots in a path.
DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21, "ws": 80, "wss": 443}
# Their syntax is a registrant, a slash, and a name that only the registrant understands.
REGISTRIES = ("doi", "hdl")
# A qualifier such as repository_url says that the package is not where its type and name say (ECMA-427, 5.6.6).
_HARMLESS_QUALIFIERS = frozenset(("checksum", "file_name"))
_RESOLVERS = {"doi.org": "doi", "dx.doi.org": "doi", "www.doi.org": "doi", "hdl.handle.net": "hdl"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HOST = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\Z")
_NUMBER = re.compile(r"[0-9]+\Z|0[xX][0-9A-Fa-f]*\Z")
_IPV4 = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})(?:\.(?!\Z)|\Z)){4}\Z")
_REGISTRANT = {"doi": re.compile(r"10\.[0-9]{4,9}(?:\.[0-9]+)*\Z"), "hdl": re.compile(r"[A-Za-z0-9.]+\Z")}
_TYPE = re.compile(r"[a-z][a-z0-9.-]*\Z")
_UNRELIABLE = re.compile(rb"[\x00-\x1f\x7f/\\]|%(?:2[eEfF]|5[cC]|00)")


class Unclear(Exception):
    """Why an address cannot be compared, as the rest of a sentence about it ("names a user before its host")."""


class Address(NamedTuple):
    """Where something is.

    `place` is what has to be equal for two addresses to be of one party: ``https://zenodo.org``, with a port unless it
    is the default one; ``doi:10.5281``; ``pkg:huggingface``. `segments` are the parts of the path, decoded.
    `has_query` tells that a ``?…`` follows, with which a server may answer with anything.
    """

    place: str
    segments: tuple[str, ...]
    has_query: bool = False


def read_address(text: str) -> Address:
    """The parts of an address. Raises `Unclear` for one that readers may understand differently."""
    scheme, rest = split_scheme(text)
    if scheme == "pkg":
        return _package(rest)
    if scheme in REGISTRIES:
        return _registered(scheme, rest)
    return _located(scheme, rest)


def as_registered(address: Address) -> Address | None:
    """The DOI or handle that the address of a resolver stands for: that of ``https://doi.org/10.5281/zenodo.1``."""
    scheme, _, host = address.place.partition("://")
    registry = _RESOLVERS.get(host) if scheme in ("http", "https") else None
    if registry is None or address.has_query:
        return None
    try:
        return _registered(registry, "/".join(address.segments))
    except Unclear:
        return None


def split_scheme(text: str) -> tuple[str, str]:
    """The scheme in lower case, and what follows its colon. Raises `Unclear` also for characters that are not shown."""
    if len(text) > LONGEST:
        raise Unclear("is too long")
    for character in text:
        if character <= " " or character == "\x7f" or (character > "\x7f" and not character.isprintable()):
            raise Unclear(f"holds the character U+{ord(character):04X}, which is not shown")
    if "\\" in text:
        raise Unclear("holds a backslash, which browsers take for a slash")
    match = _SCHEME.match(text)
    if match is None:
        raise Unclear("does not begin with a scheme such as https:")
    return match[1].lower(), text[match.end() :]


# ---------------------------------------------------------------------- scheme://host/path


def _located(scheme: str, rest: str) -> Address:
    if not rest.startswith("//"):
        raise Unclear("names no host: two slashes have to follow the scheme")
    rest, _, _ = rest[2:].partition("#")
    rest, query, _ = rest.partition("?")
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        raise Unclear(f'names a user before its host, which is "{shown(authority.rpartition("@")[2])}"')
    host = _host(authority, scheme)
    return Address(f"{scheme}://{host}", _path(path if slash else "", scheme in DEFAULT_PORTS), bool(query))


def _host(authority: str, scheme: str) -> str:
    if authority.startswith("["):
        inside, bracket, port = authority[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise Unclear("has no valid host")
        return _ipv6(inside) + _port(port[1:], scheme)
    name, _, port = authority.partition(":")
    if not name:
        raise Unclear("names no host")
    if "%" in name:
        raise Unclear("has a host with percent signs, which browsers decode")
    if not name.isascii():
        raise Unclear(_foreign(name))
    if not _HOST.match(name):
        if name.endswith("."):
            raise Unclear("has a host that ends in a dot, which is another one to a browser")
        raise Unclear(f'has the host "{name}", which is not valid')
    if scheme in DEFAULT_PORTS:
        name = name.lower()
        if not all(map(_is_encoded, re.findall(r"(?:^|\.)xn--([^.]*)", name))):
            raise Unclear(f'has the host "{name}", which is no valid international name')
        if _NUMBER.match(name.rpartition(".")[2]) and not _is_ipv4(name):
            raise Unclear(f'has the host "{name}", which browsers read as a number')
    return name + _port(port, scheme)


def _is_encoded(label: str) -> bool:
    """Whether what follows ``xn--`` stands for letters beyond ASCII, in the one form that they have there."""
    import unicodedata

    try:
        text = label.encode("ascii").decode("punycode")
        again = unicodedata.normalize("NFC", text.lower()).encode("punycode").decode("ascii")
    except (UnicodeError, OverflowError):
        return False
    return not text.isascii() and text.isprintable() and again == label


def _is_ipv4(name: str) -> bool:
    return bool(_IPV4.match(name)) and all(int(number) < 256 for number in name.split("."))


def _port(text: str, scheme: str) -> str:
    if not text:
        return ""
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 65_536):
        raise Unclear("has a port that is not valid")
    return "" if DEFAULT_PORTS.get(scheme) == int(text) else f":{int(text)}"


def _ipv6(text: str) -> str:
    import ipaddress

    try:
        if "%" in text:
            raise ValueError
        return f"[{ipaddress.IPv6Address(text).compressed}]"
    except ValueError:
        raise Unclear("has no valid host") from None


def _foreign(name: str) -> str:
    """Why a host with letters beyond ASCII is not compared, with the names by which networks may know it."""
    scripts = {_script(c) for label in name.split(".") for c in label if c.isalpha()}
    mixed = f" mixes {' and '.join(sorted(scripts))} letters" if len(scripts) > 1 else " has letters beyond ASCII"
    return f'has the host "{shown(name)}", which{mixed}: hosts are compared in the form that DNS has'


def _script(character: str) -> str:
    import unicodedata

    return unicodedata.name(character, "unknown").split(" ", 1)[0].capitalize()


def shown(host: str) -> str:
    """A host as DNS has it (RFC 3492), so that no look-alike passes for it in a message."""
    labels = []
    for label in host.split("."):
        lowered = label.lower()
        labels.append(label if label.isascii() else "xn--" + lowered.encode("punycode").decode("ascii"))
    return ".".join(labels)


# ---------------------------------------------------------------------- paths


def _path(path: str, resolves_dots: bool) -> tuple[str, ...]:
    """The decoded segments of a path, with ``.`` and ``..`` resolved as a browser does."""
    parts = path.split("/")
    segments: list[str] = []
    for number, part in enumerate(parts):
        segment = decoded(part)
        # Servers of Java applications drop what follows a semicolon, and see dots that a browser does not.
        if segment.partition(";")[0] in (".", ".."):
            if not resolves_dots or ";" in segment:
                raise Unclear("has dots in its path that programs treat differently")
            if segment == ".." and segments:
                segments.pop()
            if number == len(parts) - 1:
                segments.append("")
        else:
            segments.append(segment)
    return tuple(segments)


def decoded(segment: str) -> str:
    """A segment of a path with its percent signs decoded.

    Raises `Unclear` where that reveals a slash, a backslash or a control character, once or after decoding it again.
    """
    if "%" not in segment:
        return segment
    raw = unquote_to_bytes(segment)
    if _UNRELIABLE.search(raw):
        raise Unclear("hides a slash, dots or a control character behind a percent sign")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Unclear("has percent signs that do not stand for UTF-8 text") from None


# ---------------------------------------------------------------------- names of things

_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def lower(text: str) -> str:
    """A text with the letters of ASCII in lower case: the sign for kelvin is no k."""
    return text.translate(_LOWER)


def _registered(registry: str, rest: str) -> Address:
    """A DOI or a handle; neither has a case (DOI Handbook, 2.4)."""
    registrant, slash, name = rest.partition("/")
    if not slash or not name or not _REGISTRANT[registry].match(registrant):
        raise Unclear(f"is not a {'DOI' if registry == 'doi' else 'handle'}")
    segments = tuple(lower(decoded(part)) for part in name.split("/"))
    if any(segment in (".", "..") for segment in segments):
        raise Unclear("has dots in its path that programs treat differently")
    return Address(f"{registry}:{registrant.lower()}", segments)


def _package(rest: str) -> Address:
    """A package URL without its version: ``pkg:type/namespace/name@version?qualifiers#subpath``."""
    rest, _, _ = rest.partition("#")
    rest, _, qualifiers = rest.partition("?")
    elsewhere = {pair.partition("=")[0].lower() for pair in qualifiers.split("&") if pair} - _HARMLESS_QUALIFIERS
    if elsewhere:
        raise Unclear(f'says with "{min(elsewhere)}" that the package is elsewhere')
    name, _, _ = rest.rpartition("@")
    # The scope of a package of npm begins with the same sign.
    parts = (name if name and not name.endswith("/") else rest).strip("/").split("/")
    kind = lower(parts[0])
    segments = tuple(decoded(part) for part in parts[1:])
    if not _TYPE.match(kind) or not segments or any(segment in ("", ".", "..") for segment in segments):
        raise Unclear("is not a package URL")
    return Address(f"pkg:{kind}", segments)
