"""What Keras 2 adds to a SavedModel: the configuration of each layer, from which loading builds it anew.

It is JSON in ``keras_metadata.pb`` (saved_metadata.proto of `tensorflow/python/keras/protobuf`), or in the graph of
objects in ``saved_model.pb`` (saved_object_graph.proto; TensorFlow 2.0 to 2.4, and read to this day where the other
file is missing: `keras/saving/legacy/saved_model/load.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from git_custody.core.content import Content, PartContent
from git_custody.formats.paths import file_name
from git_custody.formats.pointers import is_pointer
from git_custody.formats.protobuf import BYTES, Reader
from git_custody.formats.reading import BrokenError, TooMuchError, gave_up
from git_custody.formats.verdicts import Member, Said, Scene

NODES, IDENTIFIER, METADATA = 1, 4, 5
OBJECTS, USER_OBJECT, OBJECT_IDENTIFIER, OBJECT_METADATA = 1, 4, 1, 3
OF_KERAS = "_tf_keras_"
SAID_AT_MOST = 20


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Judge the configurations in a ``keras_metadata.pb``."""
    if is_pointer(scene.head) or file_name(scene.name) != "keras_metadata.pb":
        return
    reader = Reader(scene.content, scene.budget)
    found: dict[Said, None] = {}
    try:
        for number, kind, begin, end in reader.fields():
            if number == NODES and kind == BYTES:
                _judge(scene.content, reader, (begin, end), IDENTIFIER, METADATA, "keras_metadata.pb", found)
    except (BrokenError, TooMuchError) as error:
        yield gave_up(error, "tf-keras-metadata", "the Keras metadata of a SavedModel")
    yield from found


def in_objects(content: Content, reader: Reader, begin: int, end: int, found: dict[Said, None]) -> None:
    """Judge the configurations in a SavedObjectGraph. Raises what the reader raises."""
    for number, kind, at, stop in reader.fields(begin, end):
        if number != OBJECTS or kind != BYTES:
            continue
        for part, part_kind, *place in reader.fields(at, stop):
            if part == USER_OBJECT and part_kind == BYTES:
                where = "saved_model.pb"
                _judge(content, reader, (place[0], place[1]), OBJECT_IDENTIFIER, OBJECT_METADATA, where, found)


def _judge(
    content: Content,
    reader: Reader,
    place: tuple[int, int],
    identifier: int,
    metadata: int,
    where: str,
    found: dict[Said, None],
) -> None:
    """Add what is wrong with the configuration of one object, if it is one of Keras's."""
    of_keras, configuration = False, (0, 0)
    for number, kind, begin, end in reader.fields(*place):
        if number == identifier and kind == BYTES:
            of_keras = reader.text(begin, end).startswith(OF_KERAS)
        elif number == metadata and kind == BYTES:
            configuration = begin, end
    begin, end = configuration
    if of_keras and begin < end and len(found) < SAID_AT_MOST:
        from git_custody.formats import keras_config

        found.update(dict.fromkeys(keras_config.judge(PartContent(content, begin, end - begin), where, reader.budget)))
