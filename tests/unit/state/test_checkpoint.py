"""The text of a checkpoint."""

import json

import pytest

from exporter.state.checkpoint import Checkpoint


def test_a_field_of_a_newer_version_is_dropped_and_the_others_are_read() -> None:
    stored = {**json.loads(Checkpoint(scope="s", complete=True).encode()), "of_a_newer_version": [1]}
    assert Checkpoint.decode(json.dumps(stored)) == Checkpoint(scope="s", complete=True)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", '"complete"', '["complete"]'])
def test_a_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        Checkpoint.decode(text)
