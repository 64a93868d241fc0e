"""AS4 in one process, run by the interpreter of the peer's own environment: `python as4_program.py FOLDER`.

Build, sign and seal; parse, verify and open; answer with a signed receipt; verify it. There is no network and nothing is
stored: the library has neither. It imports the standard library, `cryptography` and `as4`, and nothing of this product.
"""

import json
import sys
import time
from pathlib import Path

from as4 import AS4LocalPrivateKey, SecurityPolicy, pinned_certificates
from as4.peppol import (
    build_peppol_message,
    create_peppol_external_party,
    create_peppol_internal_party,
    parse_peppol_message,
    parse_peppol_receipt,
)
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

SENDER, RECEIVER = "bench-sender", "bench-receiver"
_DOCUMENT = "urn:bench::Notice##urn:bench:1::1"


class Pair:
    """Both ends."""

    def __init__(self, folder):
        self._own, self._known, certificates = {}, {}, []
        for name in (SENDER, RECEIVER):
            certificate = load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())
            key = load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
            self._own[name] = create_peppol_internal_party(name, certificate, AS4LocalPrivateKey(key))
            self._known[name] = create_peppol_external_party(name, certificate)
            certificates.append(certificate)
        self._policy = SecurityPolicy(signer_resolver=pinned_certificates(*certificates))

    def start(self):
        return {}

    def exchange(self, *, payload, count):
        data = f'<Notice xmlns="urn:bench">{payload}</Notice>'.encode()
        times, carried, heads = [], 0, 0
        for _ in range(count):
            began = time.perf_counter()
            body, head, receipt = self._one(data)
            times.append(time.perf_counter() - began)
            carried, heads = carried + body + receipt, heads + head
        return {"seconds": sum(times), "times": times, "bytes": carried, "header_bytes": heads}

    def _one(self, data):
        message = build_peppol_message(
            payload=data, local_party=self._own[SENDER], remote_party=self._known[RECEIVER], sender="9932:1", recipient="9932:2",
            sender_country_id="GT", document_type_identifier_scheme="busdox-docid-qns",
            document_type_identifier_value=_DOCUMENT, process_identifier="urn:bench:process",
        )  # fmt: skip
        body, boundary = message.get_request_data()
        headers = message.get_http_headers(boundary)
        received = parse_peppol_message(headers, body, self._own[RECEIVER], security_policy=self._policy)
        signal_headers, signal = received.build_signal()
        if not received.successful or data not in next(iter(received.message.decrypted_data.values())):
            raise RuntimeError("the receiver did not get what was sent")
        receipt = parse_peppol_receipt(signal, self._known[RECEIVER].credentials.certificate)
        receipt.verify_non_repudiation(message.signed_references)
        heads = sum(len(f"{name}: {value}\r\n") for part in (headers, signal_headers) for name, value in part.items())
        return len(body), heads, len(signal)


def main(folder):
    pair = Pair(Path(folder))
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(pair, request.pop("do"))(**request)
        except Exception as error:  # told to the bench, which ends with it
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
