"""KMS in memory, as far as data keys go. Each key is derived from a counter, so the same calls give the same keys.

Not for secrets: whoever reads this file can open what was sealed under it.
"""

import hmac
from collections.abc import Mapping
from typing import Any

from benchmarks.standin.errors import AwsError

MASTER = b"the stand-in keeps no secrets"
COUNTER = 8


class Kms:
    """GenerateDataKey and Decrypt; a wrapped key opens under its encryption context alone."""

    def __init__(self, key_id: str) -> None:
        self.key_id, self._made = key_id, 0

    def dispatch(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """One call. Blobs are bytes. Raises AwsError."""
        context = request.get("EncryptionContext", {})
        match operation:
            case "GenerateDataKey" if request.get("KeySpec") == "AES_256":
                self._made += 1
                return self._answer(self._made.to_bytes(COUNTER), context)
            case "Decrypt":
                blob: bytes = request["CiphertextBlob"]
                answer = self._answer(blob[:COUNTER], context)
                if not hmac.compare_digest(blob, answer["CiphertextBlob"]):
                    raise AwsError("InvalidCiphertextException", "")
                return {"KeyId": self.key_id, "Plaintext": answer["Plaintext"]}
        raise AwsError("UnknownOperationException", f"{operation} is not played here")

    def _answer(self, counter: bytes, context: Mapping[str, str]) -> dict[str, Any]:
        bound = repr(sorted(context.items())).encode()
        wrapped = counter + hmac.digest(MASTER, b"wrapped" + counter + bound, "sha256")
        return {
            "KeyId": self.key_id,
            "Plaintext": hmac.digest(MASTER, b"plain" + counter, "sha256"),
            "CiphertextBlob": wrapped,
        }
