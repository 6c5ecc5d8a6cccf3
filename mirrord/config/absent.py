"""Files that a config names and that are not there: what a run would stumble over hours later."""

from collections.abc import Iterator
from pathlib import Path

from mirrord.config.model import Config


def absent_files(config: Config) -> Iterator[str]:
    """A line for each. Files that this user may not look at are left out: the service's user may."""
    for key, path in _named(config):
        try:
            path.stat()
        except FileNotFoundError:
            yield f"{key}: {path} is not there; make the file, or correct the path"
        except OSError:
            continue


def _named(config: Config) -> Iterator[tuple[str, Path]]:
    for host, registry in config.registries.items():
        for name in ("ca_file", "client_cert", "client_key", "password_file", "docker_config"):
            path: Path | None = getattr(registry, name)
            if path is not None:
                yield f"{registry.where}: registries.{host}.{name}", path
    if config.serve.htpasswd is not None:
        yield "serve.htpasswd", config.serve.htpasswd
    if config.serve.tls is not None:
        yield "serve.tls.certificate", config.serve.tls.certificate
        yield "serve.tls.key", config.serve.tls.key
    for at, notify in enumerate(config.notify):
        if notify.secret_file is not None:
            yield f"notify[{at}].secret_file", notify.secret_file
