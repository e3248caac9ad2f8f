"""Whether each dataset, and `.custody/`, has an owner whom the forge asks before a change is merged (LLMSVS 2.4)."""

from __future__ import annotations

from ..core.findings import Rule

UNPROTECTED = Rule(
    "unprotected-dataset", ("2.4",), 2,
    "Nobody owns a dataset, or `.custody/`, in CODEOWNERS.",
    "Whoever may push can change it without anybody having been asked.",
    "Add a line with an owner to CODEOWNERS, such as `/data/ @example/data-stewards`, and have the branch protected so "
    "that an owner's approval is needed.",
    "Only the file is read: whether the owners exist, may write, and are asked is a setting of GitHub or GitLab.",
)  # fmt: skip
RULES = (UNPROTECTED,)
