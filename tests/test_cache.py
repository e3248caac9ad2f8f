"""The cache of verdicts gives back what was put in, however it is asked, and passes over what a crash has cut short."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_custody.core.cache import Cache


@pytest.mark.parametrize("number", [3, 3_000])
def test_many_are_known_as_one_is(tmp_path: Path, number: int) -> None:
    oids = [f"{n % 2:02x}{n:038x}" for n in range(number)]
    cache = Cache(str(tmp_path))
    for oid in oids[1:]:
        cache.put("sha256", oid, f"old\t{oid}")
    cache.close()
    cache = Cache(str(tmp_path))
    cache.put("sha256", oids[2], "new")
    cache.close()
    (written,) = {file.parent for file in tmp_path.glob("*/*")}
    with next(written.iterdir()).open("ab") as file:
        file.write(f"\n{oids[0]}\told".encode())  # the disk was full
    wanted = {oid: f"old\t{oid}" for oid in oids[1:]} | {oids[2]: "new"}
    cache = Cache(str(tmp_path))
    for _ in range(3):
        assert cache.known("sha256", oids) == wanted
        assert cache.known("sha256", oids[:2]) == {oids[1]: wanted[oids[1]]}
    assert {oid: text for oid in oids if (text := Cache(str(tmp_path)).get("sha256", oid))} == wanted
    cache.put("sha256", oids[0], "put")
    assert cache.known("sha256", oids[:1]) == {oids[0]: "put"}
