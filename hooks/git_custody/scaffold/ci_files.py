"""The gate in CI: judged from full history, with the policy of the base branch."""

from __future__ import annotations

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
      - run: python -m pip install git-custody=={version}
      - name: Judge the commits of the pull request
        if: github.event_name == 'pull_request'
        env:
          BASE: ${{{{ github.base_ref }}}}
        run: git custody check --range "origin/$BASE...HEAD"
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
    - python -m pip install git-custody=={version}
    - |
      if [ -n "$CI_MERGE_REQUEST_TARGET_BRANCH_NAME" ]; then
        base="$CI_MERGE_REQUEST_TARGET_BRANCH_NAME"
        git fetch --no-tags origin "+refs/heads/$base:refs/remotes/origin/$base"
        git custody check --range "origin/$base...HEAD"
      else
        git custody check --all
      fi
"""

INCLUDE = ("include:", f"  - local: {GITLAB_INCLUDED}")


def github_workflow(version: str) -> str:
    """The workflow for GitHub: actions pinned by commit, branch names given to the shell as variables."""
    return _GITHUB.format(version=version)


def gitlab_job(version: str) -> str:
    """The job for GitLab, as a whole `.gitlab-ci.yml` or as a file to include."""
    return _GITLAB.format(version=version)


def host(url: str | None) -> str | None:
    """Which CI a remote's address speaks for: "github", "gitlab" or None."""
    name = (url or "").partition("://")[2] or (url or "")
    name = name.rpartition("@")[2] if "@" in name.partition("/")[0] else name
    name = name.partition("/")[0].partition(":")[0].lower()
    for known in ("github", "gitlab"):
        if name in (f"{known}.com", known) or name.startswith(f"{known}.") or f".{known}." in name:
            return known
    return None
