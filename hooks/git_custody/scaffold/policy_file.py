"""The first policy of a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.pages import linked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.case import Hook

_TEXT = """\
# What this repository asks of its models and datasets. Explained at
# docs/policy.md
# Whoever weakens this file has to answer for it: in CI the policy of the base branch counts.
version: 1
level: 1                          # 1, 2 or 3: the LLMSVS level whose rules are enforced
also: [check-dataset-audit-log]   # hooks of a higher level that are wanted all the same
mode: block                       # block, or warn for the first weeks
edition: {edition:<25}# rules newer than this only warn
requires: {requires:<24}# the oldest git-custody that may judge

# Which files count, as gitignore-style globs; without them, see
# docs/assets.md
# datasets: {{include: ["corpus/**"], exclude: ["data/tmp/**"]}}
# models: {{include: [], exclude: []}}

# Licences that data must not have, as SPDX ids or globs of ids.
# licenses: {{deny: ["CC-BY-NC-*"]}}

# What the law asks of datasets, from level 2 on; for the ids, see
# docs/regulation.md
# regimes: [gdpr, eu-ai-act]

# What new data cards are filled with.
# defaults: {{publisher: "Example Lab", license: CC-BY-4.0}}
"""


def first_policy(hooks: Sequence[Hook]) -> bytes:
    """The policy that a repository starts with; its edition is that of the newest rule."""
    from .. import __version__

    edition = max(rule.since for hook in hooks for rule in hook.rules)
    requires = ".".join(__version__.split(".")[:2])
    return linked(_TEXT.format(edition=f'"{edition}"', requires=f'">={requires}"')).encode("utf-8")
