"""The host that a browser would ask: the basic URL parser of the WHATWG, as far as hosts go.

Written from https://url.spec.whatwg.org/ and lenient as that is, so that it can bear out what our own, strict reader
says. tests/real holds it against the parser of Node.js.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote_to_bytes

PORTS = {"http": "80", "https": "443", "ftp": "21", "ws": "80", "wss": "443"}


def browser_host(text: str) -> str | None:
    """Scheme, host and port as in ``https://a.example:8443``; None for what a browser refuses, or has no host."""
    text = text.strip("".join(map(chr, range(0x21))))
    text = re.sub("[\t\n\r]", "", text)
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if not colon or not re.match(r"[a-z][a-z0-9+.-]*\Z", scheme):
        return None
    if scheme in PORTS:
        authority = re.split(r"[/\\?#]", rest.lstrip("/\\"), maxsplit=1)[0]
    elif rest.startswith("//"):
        authority = re.split(r"[/?#]", rest[2:], maxsplit=1)[0]
    else:
        return None
    authority = authority.rpartition("@")[2]
    bracket = re.match(r"(\[[^\]]*\])(?::(.*))?\Z", authority)
    host, port = (
        (bracket[1], bracket[2] or "") if bracket else (authority.partition(":")[0], authority.partition(":")[2])
    )
    if not host or (port and not (port.isascii() and port.isdigit() and int(port) < 65_536)):
        return None
    shown = _bracketed(host) if host.startswith("[") else _domain(host) if scheme in PORTS else host
    if shown is None:
        return None
    number = str(int(port)) if port else ""
    return f"{scheme}://{shown}" + (f":{number}" if number and number != PORTS.get(scheme) else "")


def _bracketed(host: str) -> str | None:
    import ipaddress

    try:
        return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]" if "%" not in host else None
    except ValueError:
        return None


def _domain(host: str) -> str | None:
    raw = unquote_to_bytes(host.encode("utf-8", "surrogatepass"))
    name = unicodedata.normalize("NFKC", raw.decode("utf-8", "replace")).casefold()
    name = re.sub("[\u3002\uff0e\uff61]", ".", re.sub("[\u00ad\u200b\u2060\ufeff]", "", name))
    labels = [part if part.isascii() else "xn--" + part.encode("punycode").decode() for part in name.split(".")]
    name = ".".join(labels)
    if not name or re.search(r"[\x00-\x20\x7f#/:<>?@\[\\\]^|%]", name):
        return None
    last = labels[-1] or (labels[-2] if len(labels) > 1 else "")
    if re.match(r"[0-9]+\Z|0x[0-9a-f]*\Z", last):
        return _ipv4(name)
    return name


def _ipv4(name: str) -> str | None:
    parts = name.removesuffix(".").split(".")
    if len(parts) > 4:
        return None
    forms = [(r"0x([0-9a-f]*)\Z", 16), (r"0([0-7]+)\Z", 8), (r"(0|[1-9][0-9]*)\Z", 10)]
    read = [next(((m[1], base) for form, base in forms if (m := re.match(form, part))), None) for part in parts]
    if None in read:
        return None
    numbers = [int(one[0] or "0", one[1]) for one in read if one is not None]
    if any(number > 255 for number in numbers[:-1]) or numbers[-1] >= 256 ** (5 - len(numbers)):
        return None
    value = numbers[-1] + sum(number * 256 ** (3 - place) for place, number in enumerate(numbers[:-1]))
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))
