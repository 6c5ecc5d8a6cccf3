"""What a registry refuses with: status, code and message of each refusal, the same from the embedded server and nginx.

Clients decide by these bodies: older Podman takes a missing signature for "unsigned" only with MANIFEST_UNKNOWN, and
oras gives up on NAME_UNKNOWN. So every missing manifest or referrer is MANIFEST_UNKNOWN, also in an unknown
repository. The codes are those of the distribution-spec ("Error Codes").
"""

import json
from enum import Enum


class Refusal(Enum):
    """One way to be refused."""

    NO_PATH = (404, "NAME_UNKNOWN", "no such path")
    NAME_UNKNOWN = (404, "NAME_UNKNOWN", "repository name not known to registry")
    MANIFEST_UNKNOWN = (404, "MANIFEST_UNKNOWN", "manifest unknown")
    BLOB_UNKNOWN = (404, "BLOB_UNKNOWN", "blob unknown to registry")
    UPLOAD_UNKNOWN = (404, "BLOB_UPLOAD_UNKNOWN", "read-only registry: no uploads")
    NAME_INVALID = (400, "NAME_INVALID", "invalid repository name")
    DIGEST_INVALID = (400, "DIGEST_INVALID", "malformed digest")
    TARGET_REFUSED = (400, "NAME_INVALID", "request target refused")
    TARGET_TOO_LONG = (414, "NAME_INVALID", "request target too long")
    UNAUTHORIZED = (401, "UNAUTHORIZED", "authentication required")
    DENIED = (403, "DENIED", "access denied")
    READ_ONLY = (405, "UNSUPPORTED", "read-only registry: GET and HEAD only")
    CONDITION = (412, "UNSUPPORTED", "nothing is written here: ask without If-Match and If-Unmodified-Since")
    RANGE = (416, "UNSUPPORTED", "range not satisfiable")
    PLAIN_HTTP = (400, "UNSUPPORTED", "plain HTTP was sent to an https port")
    BUSY = (503, "UNAVAILABLE", "more requests or connections than one client may have here")
    FAILURE = (503, "UNAVAILABLE", "registry failure")

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message

    @property
    def document(self) -> str:
        """The body, as JSON."""
        listed = [{"code": self.code, "message": self.message}]
        return json.dumps({"errors": listed}, separators=(",", ":"))
