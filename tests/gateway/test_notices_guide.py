"""The receiver of the guide takes what a node signs, once, and nothing else."""

import re
from datetime import UTC, datetime
from pathlib import Path

from contracts.notices import NoticeType, notice_body
from keys.vault import Vault
from keys.webhooks import WebhookSigner, new_webhook_secret

GUIDE = Path(__file__).parents[2] / "docs" / "notices.md"


def test_the_receiver_of_the_guide_verifies_and_takes_each_notice_once(capsys):
    code = re.search(r"<!-- receiver -->\n```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)[1]
    guide = {}
    exec(compile(code, "docs/notices.md", "exec"), guide)
    signer, secret, now = WebhookSigner(Vault(bytes(32))), new_webhook_secret(), datetime.now(UTC)
    sealed = signer.seal("h", secret, what="secret")
    body = notice_body(NoticeType.REQUEST_RECEIVED, now, "S-9F21-04A7", "/api/v1/held", None)
    headers = dict(signer.headers("h", [sealed], notice="msg_1", at=now, body=body))
    assert guide["take"](secret, headers, body) == 204
    assert guide["take"](secret, headers, body) == 204
    assert capsys.readouterr().out == "request.received S-9F21-04A7\n"
    assert guide["take"](secret, headers, body.replace(b"9F21", b"9F22")) == 401
    assert guide["take"](new_webhook_secret(), headers, body) == 401
    old = datetime.fromtimestamp(now.timestamp() - 600, UTC)
    assert guide["take"](secret, dict(signer.headers("h", [sealed], notice="msg_2", at=old, body=body)), body) == 401


def test_the_guide_names_every_type():
    text = GUIDE.read_text()
    for kind in NoticeType:
        family, _, word = kind.value.partition(".")
        assert f"`{kind.value}`" in text or (f"`{family}." in text and f".{word}`" in text) or f"`{word}`" in text, kind
