"""A log that a restore opened: its own name, the log's key, and no other log's."""

import pytest

from contracts.errors import SignatureError
from contracts.ids import KeyId
from keys.model import SigningKey
from keys.notes import epoch_key, open_checkpoint, sign_checkpoint, verifier_key

LOG = "gt.prueba/paradero-log"
RESTORED = f"{LOG}/restored-20261125T120000Z-00c0ffee"
KEY = SigningKey(KeyId("gt.prueba#log-1"), bytes(range(32)))
VKEY = verifier_key(LOG, KEY.public.raw)


def test_a_checkpoint_of_an_epoch_verifies_under_its_own_name_alone():
    note = sign_checkpoint(RESTORED, 3, bytes(32), KEY)
    assert open_checkpoint(note, epoch_key(VKEY, RESTORED)).size == 3
    with pytest.raises(SignatureError):
        open_checkpoint(note, VKEY)


@pytest.mark.parametrize("name", [f"{LOG}2", f"{LOG}/other-1", "gt.otro/paradero-log/restored-1", f"{LOG}restored-1"])
def test_no_other_name_is_this_log(name):
    with pytest.raises(SignatureError):
        epoch_key(VKEY, name)


def test_the_first_log_keeps_its_name():
    assert epoch_key(VKEY, LOG) == VKEY
