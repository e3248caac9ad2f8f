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


def test_a_crowd_is_known_by_its_bunches(tmp_path: Path) -> None:
    wanted = {f"{n * 7919 % 65536:04x}{n:036x}": f"said of {n}" for n in range(1_000)}
    cache = Cache(str(tmp_path))
    for oid, text in wanted.items():
        cache.put("dataset-id", oid, text)
    cache.close()
    first, *rest = wanted
    cache = Cache(str(tmp_path))
    assert cache.known_in_bunches("dataset-id", rest) == {oid: wanted[oid] for oid in rest}
    cache.close()
    assert [*tmp_path.glob("dataset-id-in-bunches/*")]
    for file in tmp_path.glob("dataset-id/*"):
        file.unlink()
    # Only what is in a bunch with one that is new, or gone, has to be looked for one by one.
    cache = Cache(str(tmp_path))
    assert cache.known_in_bunches("dataset-id", rest) == {oid: wanted[oid] for oid in rest}
    assert cache.known_in_bunches("dataset-id", rest[:300]) == {}
    assert 800 < len(cache.known_in_bunches("dataset-id", wanted)) < 1_000
    cache.put("dataset-id", first, "new")
    cache.put("dataset-id", rest[0], "newer")
    known = cache.known_in_bunches("dataset-id", wanted)
    assert (known[first], known[rest[0]]) == ("new", "newer")
    for file in tmp_path.glob("dataset-id-in-bunches/*"):
        file.write_bytes(file.read_bytes().replace(b"\x1f", b""))
    assert Cache(str(tmp_path)).known_in_bunches("dataset-id", rest) == {}
