"""Publishers that state a digest of every file that they offer, as data.

Only places that do so for each file, of the bytes that they serve, and show it to everybody. Left out for that reason:
GitHub (assets of releases have a digest since June 2025, none before), Dataverse (the digest of a table is of what was
uploaded, not of what is served: IQSS/dataverse#9501), Kaggle and the UCI repository (none).
"""

from __future__ import annotations

from typing import NamedTuple

from .sources import judge


class Publisher(NamedTuple):
    """Where one publisher offers files: `match` are patterns as in `sources.trusted`; `suffixes`, where not empty, are
    those of the files of which it states a digest. `algorithm` is the one that it uses, `where` the place to look, with
    the page that says so as `source`.
    """

    name: str
    match: tuple[str, ...]
    algorithm: str
    where: str
    source: str
    suffixes: tuple[str, ...] = ()


# The kinds of data that the .gitattributes of a new dataset repository sends to Git LFS, whose pointers hold a SHA-256:
# a small CSV file is a plain object of git there, and has none.
_LFS_SUFFIXES = (
    ".7z", ".arrow", ".bz2", ".ftz", ".gz", ".h5", ".lz4", ".mds", ".msgpack", ".npy", ".npz", ".parquet", ".pickle",
    ".pkl", ".rar", ".tar", ".tgz", ".xz", ".zip", ".zst", ".pcm", ".sam", ".raw", ".aac", ".flac", ".mp3", ".ogg",
    ".wav", ".bmp", ".gif", ".png", ".tiff", ".jpg", ".jpeg", ".webp", ".mp4", ".webm",
)  # fmt: skip

PUBLISHERS = (
    Publisher(
        "Zenodo",
        (
            "https://zenodo.org/record/**", "https://zenodo.org/records/**", "https://zenodo.org/api/records/**",
            "https://www.zenodo.org/record/**", "https://www.zenodo.org/records/**", "doi:10.5281/zenodo.*",
        ),
        "md5", "beside the file on the page of its record", "https://developers.zenodo.org/#record-files",
    ),
    Publisher(
        "Figshare",
        (
            "https://figshare.com/articles/**", "https://figshare.com/ndownloader/files/*",
            "https://ndownloader.figshare.com/files/*", "https://api.figshare.com/v2/file/download/*",
            "doi:10.6084/m9.figshare.*",
        ),
        "md5", "as computed_md5 at https://api.figshare.com/v2/articles/ID/files",
        "https://docs.figshare.com/#articles_files",
    ),
    Publisher(
        "Hugging Face",
        (
            "https://huggingface.co/datasets/*/*/resolve/**", "https://huggingface.co/datasets/*/*/blob/**",
            "hf://datasets/**",
        ),
        "sha256", "as the SHA256 of the file's own page", "https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md",
        _LFS_SUFFIXES,
    ),
)  # fmt: skip


def publisher_of(address: str) -> Publisher | None:
    """The publisher at an address that states a digest of what is there; None where none is known to."""
    path = address.partition("?")[0].partition("#")[0].lower()
    for publisher in PUBLISHERS:
        if judge(publisher.match, address).trusted and (not publisher.suffixes or path.endswith(publisher.suffixes)):
            return publisher
    return None
