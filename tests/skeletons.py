"""One good document of each kind, as the design has it."""

from __future__ import annotations

DIGEST = "0123456789abcdef" * 4

CARD = f"""\
# Kept by the data team.
kind: data-card
version: 1
id: support-tickets
title: Support tickets 2025
source:
  kind: public-download
  url: https://zenodo.org/records/123
  retrieved: 2026-11-02
  publisher: CERN
license: CC-BY-4.0
content: {{digest: {{sha256: {DIGEST}}}, bytes: 1234, media_type: text/csv}}
"""
ENTRY = {
    "custody": "audit-entry/1",
    "dataset": "support-tickets",
    "op": "clean",
    "path": "data/train.csv",
    "parents": [DIGEST],
    "before": [{"sha256": DIGEST}],
    "after": {"sha256": DIGEST[::-1]},
    "reason": "drop 14 rows with e-mail addresses",
    "actor": {"name": "A. Person", "email": "a@example.org"},
    "time": "2026-11-22T18:00:00Z",
    "tool": {"name": "git-custody", "version": "1.0.0"},
}

POLICY = """\
version: 1
level: 1
also: [check-dataset-audit-log]
mode: block
edition: "2026-12"
requires: ">=1.0"
grace_days: 14
datasets: {include: ["data/**"], exclude: ["data/tmp/**"]}
models: {include: [], exclude: []}
sources: {trusted: [{match: "https://zenodo.org/records/**", reason: "the archive that we publish in"}]}
licenses: {allow: [CC0-1.0, CC-BY-4.0, MIT], deny: [], review: ["CC-BY-NC-*"]}
absent_content: {changed: block, unchanged: allow}
sizes: {plain_blob_max: 10MB, content_scan_max: 200MB}
defaults: {publisher: Example Ltd, license: CC-BY-4.0}
"""
WAIVER = f"""\
version: 1
rule: pickle-weights
path: models/old/encoder.bin
digest: {{sha256: {DIGEST}}}
reason: the vendor ships nothing else until January
owner: A. Person
expires: "2027-01-31"
"""
