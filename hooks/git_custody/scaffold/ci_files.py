"""The gate in CI: judged from full history, with the policy of the base branch."""

from __future__ import annotations

import os
import re

GITHUB = ".github/workflows/custody.yml"
GITLAB = ".gitlab-ci.yml"
GITLAB_INCLUDED = "custody.gitlab-ci.yml"

_GITHUB = """\
# Judges every change with `git custody check`. Make it a required check: hooks on a laptop can be skipped.
name: custody

on:
  pull_request:
  push:

permissions:
  contents: read

jobs:
  custody:
    runs-on: ubuntu-latest
    timeout-minutes: 30
    steps:
      - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683  # v4.2.2
        with:
          fetch-depth: 0  # ranges are judged commit by commit
          persist-credentials: false
      - uses: actions/setup-python@a26af69be951a213d495a4c3e4e4022e16d87065  # v5.6.0
        with:
          python-version: "3.12"
      - run: python -m pip install {source}
      - name: Judge the commits of the pull request
        if: github.event_name == 'pull_request'
        env:
          BASE: ${{{{ github.base_ref }}}}
        run: git custody check --range "origin/$BASE...HEAD"
      - name: Judge the commits that were pushed
        if: github.event_name == 'push' && !github.event.created && !github.event.forced
        env:
          BEFORE: ${{{{ github.event.before }}}}
        run: git custody check --range "$BEFORE...HEAD"
      - name: Judge everything
        if: github.event_name == 'push'
        run: git custody check --all
"""

_GITLAB = """\
# Judges every change with `git custody check`. Hooks on a laptop can be skipped; this job cannot.
custody:
  image: python:3.12
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH
  variables:
    GIT_DEPTH: "0"  # ranges are judged commit by commit
  script:
    - python -m pip install {source}
    - |
      if [ -n "$CI_MERGE_REQUEST_TARGET_BRANCH_NAME" ]; then
        base="$CI_MERGE_REQUEST_TARGET_BRANCH_NAME"
        git fetch --no-tags origin "+refs/heads/$base:refs/remotes/origin/$base"
        git custody check --range "origin/$base...HEAD"
      else
        git custody check --all
        # Nothing but zeros on the first push of a branch; a forced push leaves a commit that is not here.
        if git cat-file -e "$CI_COMMIT_BEFORE_SHA^{{commit}}" 2>/dev/null; then
          git custody check --range "$CI_COMMIT_BEFORE_SHA...HEAD"
        fi
      fi
"""

INCLUDE = ("include:", f"  - local: {GITLAB_INCLUDED}")


def release(version: str) -> str:
    """What pip is asked for: a release, pinned."""
    return f"git-custody=={version}"


def revision(repo: str, rev: str) -> str | None:
    """What pip is asked for, quoted for a shell: a revision of a git repository; None where no URL is given."""
    url = repo
    if "://" not in repo and (found := re.fullmatch(r"([\w.-]+@[\w.-]+):(?!/)(.+)", repo)):
        url = f"ssh://{found[1]}/{found[2]}"
    # Nothing here may mean something to YAML, to a shell, to the CI's own templates or to pip.
    plain = re.fullmatch(r"[a-z]+://[\w@:/.~+-]+", url, re.ASCII) and re.fullmatch(r"[\w./+-]+", rev, re.ASCII)
    return f'"git-custody @ git+{url}@{rev}"' if plain else None


def github_workflow(source: str) -> str:
    """The workflow for GitHub: actions pinned by commit, branch names given to the shell as variables.

    `source` is what pip installs, as `release` or `revision` gives it.
    """
    return _GITHUB.format(source=source)


def gitlab_job(source: str) -> str:
    """The job for GitLab, as a whole `.gitlab-ci.yml` or as a file to include; `source` as above."""
    return _GITLAB.format(source=source)


def in_use(root: str) -> str | None:
    """Which CI the work tree has files of: "github", "gitlab" or None, also when it has both."""
    github = os.path.isdir(os.path.join(root, ".github", "workflows"))
    gitlab = os.path.isfile(os.path.join(root, GITLAB))
    return None if github == gitlab else "github" if github else "gitlab"


def host(url: str | None) -> str | None:
    """Which CI a remote's address speaks for: "github", "gitlab" or None."""
    name = (url or "").partition("://")[2] or (url or "")
    name = name.rpartition("@")[2] if "@" in name.partition("/")[0] else name
    name = name.partition("/")[0].partition(":")[0].lower()
    for known in ("github", "gitlab"):
        if name in (f"{known}.com", known) or name.startswith(f"{known}.") or f".{known}." in name:
            return known
    return None
