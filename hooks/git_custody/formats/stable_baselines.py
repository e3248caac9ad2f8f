"""Stable-Baselines3's models: a zip with settings in a JSON file called `data`, some of them pickles in base64.

``stable_baselines3/common/save_util.py`` unpickles what stands behind `:serialized:` as soon as it loads a model.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from git_custody.core.content import BytesContent
from git_custody.formats import bounded_json
from git_custody.formats.verdicts import OPAQUE, Member, Said, Scene

NAME = "data"
KEY = ":serialized:"
UNPICKLED = ("stable-baselines3", "a setting of a Stable-Baselines3 model, which is a pickle")
NAME_SHOWN = 100
BYTES_PER_STEP = 16  # of pickles, which are kept


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Hand out the pickles among the settings."""
    if scene.name != NAME or not scene.is_member or scene.head.lstrip(b" \t\r\n")[:1] not in (b"{", b""):
        return
    try:
        settings = bounded_json.read(scene.content, scene.budget)
    except bounded_json.TooLong:
        if bounded_json.may_hold(scene.content, KEY.encode(), scene.budget):
            what = "settings of a Stable-Baselines3 model that are too long to be looked into"
            yield Said(OPAQUE, "stable-baselines3", what, forced=True)
        return
    except bounded_json.Broken:
        return
    for name, setting in settings.items() if isinstance(settings, dict) else ():
        text = setting.get(KEY) if isinstance(setting, dict) else None
        if isinstance(text, str):
            scene.budget.steps -= len(text) // BYTES_PER_STEP
            try:
                pickled = base64.b64decode(text)
            except (binascii.Error, ValueError):
                continue
            yield Member(name[:NAME_SHOWN], BytesContent(pickled), unpickled=UNPICKLED)
