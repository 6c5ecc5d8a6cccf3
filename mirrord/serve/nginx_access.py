"""The `serve:` section of the config in nginx's words: TLS, who may read, and how much."""

import math
from pathlib import Path
from typing import Final

from mirrord.config.sections import Serve
from mirrord.serve.errors import Refusal

_CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
"""Of TLS 1.2; those of 1.3 are all good."""
BURST: Final = 100
"""Requests above its rate that a client may make at once: a pull is a ping, three manifests and each layer."""
PATIENCE: Final = 10.0
"""Seconds that a request above that waits for its turn at most; what would wait longer is refused."""


def files(serve: Serve) -> tuple[Path, ...]:
    """The files that nginx is told to read."""
    named = [serve.htpasswd, *((serve.tls.certificate, serve.tls.key) if serve.tls else ())]
    return tuple(path for path in named if path is not None)


def limits(serve: Serve) -> str:
    """What stands beside the server: the zones that count, and the networks."""
    lines = []
    if serve.requests_per_second is not None:
        rate = _rate(serve.requests_per_second)
        lines.append(f"limit_req_zone $binary_remote_addr zone=mirrord_requests:10m rate={rate};")
    if serve.connections is not None:
        lines.append("limit_conn_zone $binary_remote_addr zone=mirrord_connections:10m;")
    if lines:
        busy, failure = Refusal.BUSY.document, Refusal.FAILURE.document
        lines.append('map "$limit_req_status$limit_conn_status" $mirrord_refusal {')
        lines += [f"    default '{failure}';", f"    ~REJECTED '{busy}';", "}"]
    if serve.allow:  # rather than allow and deny, which log a line for each request that is refused
        lines += ["geo $mirrord_denied {", "    default 1;", *(f"    {network} 0;" for network in serve.allow), "}"]
    return "\n".join(lines)


def refused(serve: Serve) -> str:
    """The body of a 503: a client that asks too much is told so."""
    limited = serve.requests_per_second is not None or serve.connections is not None
    return "$mirrord_refusal" if limited else f"'{Refusal.FAILURE.document}'"


def tls(serve: Serve) -> str:
    """What the server proves its name with."""
    if serve.tls is None:
        return ""
    return "\n".join(
        [
            f'    ssl_certificate "{serve.tls.certificate}";',
            f'    ssl_certificate_key "{serve.tls.key}";',
            "    ssl_protocols TLSv1.2 TLSv1.3;",
            f"    ssl_ciphers {_CIPHERS};",
            "    ssl_prefer_server_ciphers off;",
            "    ssl_session_cache shared:mirrord_tls:10m; ssl_session_timeout 1d; ssl_session_tickets off;",
        ]
    )


def who(serve: Serve) -> str:
    """Who may read, and how much: 503 rather than 429, on which some clients stall instead of going elsewhere."""
    lines = []
    if serve.htpasswd is not None:
        lines.append(f'    auth_basic "mirror"; auth_basic_user_file "{serve.htpasswd}";')
    if serve.requests_per_second is not None:
        most = BURST + math.ceil(PATIENCE * serve.requests_per_second)
        lines.append(f"    limit_req zone=mirrord_requests burst={most} delay={BURST};")
        lines.append("    limit_req_status 503; limit_req_log_level info;  # the access log tells of each")
    if serve.connections is not None:
        lines.append(f"    limit_conn mirrord_connections {serve.connections};")
        lines.append("    limit_conn_status 503; limit_conn_log_level info;")
    return "\n".join(lines)


def strangers(serve: Serve) -> str:
    """The refusal of strangers, before anything else is looked at. nginx's own address of the client counts alone."""
    return "    if ($mirrord_denied) { rewrite ^ /_e/403 last; }" if serve.allow else ""


def documents(serve: Serve) -> str:
    """How manifests and lists are sent.

    A connection counts until its request is over. Without sendfile a client has the whole answer, and may ask over
    another connection, a moment before that; with it and tcp_nopush the end leaves only then, by two more system calls.
    """
    if serve.connections is not None:
        return "    sendfile on; tcp_nopush on;                 # the end of an answer leaves when nothing counts it"
    return "    sendfile off;                               # a document is read and sent by 2 system calls, not by 4"


def _rate(per_second: float) -> str:
    """In whole numbers, as nginx has it: a second, or a minute."""
    if per_second == int(per_second):
        return f"{int(per_second)}r/s"
    return f"{max(1, round(per_second * 60))}r/m"
