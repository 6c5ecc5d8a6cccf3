"""Docker's daemon.json, whose mirrors are of Docker Hub alone, and BuildKit's buildkitd.toml."""

from mirrord.serve.clients import ClientFile, ClientSetup, ClientsSite, example
from mirrord.serve.clients_formats import comment, json_document, toml_table

_CA = "/etc/buildkit/mirrord-ca.crt"


def docker(site: ClientsSite) -> ClientSetup:
    """``registry-mirrors``, which is for Docker Hub alone, and what makes Docker pull from the mirror by its name."""
    address = site.address
    hub = next((each for each in site.upstreams if each.is_hub), None)
    settings: dict[str, object] = {}
    notes = []
    if hub is not None:  # without a path: one keeps Docker 20.10 from starting
        settings["registry-mirrors"] = [address.url]
    else:
        notes.append("registry-mirrors is for Docker Hub alone, of which nothing is mirrored.")
    if hub is not None and hub.is_renamed:
        notes.append(
            "docker.io has another name on the mirror (as:), so of Docker Hub's images Docker finds the official ones "
            "only; with the containerd image store it finds all."
        )
    if address.is_plain:
        settings["insecure-registries"] = [address.authority]
    files = []
    if settings:
        files.append(ClientFile("daemon.json", "/etc/docker/daemon.json", json_document(settings)))
        notes.append("Merge it with the daemon.json that is there, then: systemctl reload docker")
    if site.ca:
        place = f"certs.d/{address.authority}/ca.crt"
        files.append(ClientFile(place, f"/etc/docker/{place}", site.ca))
    if any(not each.is_hub for each in site.upstreams):
        notes.append(f"Images of other registries by the mirror's name: docker pull {example(site)}:TAG")
    if site.has_login:
        notes.append(
            f"docker login {address.authority} is for pulls by the mirror's name. The daemon sends a mirror of Docker "
            "Hub no password, so with serve.htpasswd it goes on to Docker Hub."
        )
    return ClientSetup("docker", tuple(files), tuple(notes))


def buildkit(site: ClientsSite) -> ClientSetup:
    """``mirrors`` of each upstream host, with the path of its repositories, and how the mirror itself is spoken to."""
    address = site.address
    tables = [toml_table(("registry", each.host), {"mirrors": [address.of(each)]}) for each in site.upstreams]
    own: dict[str, bool | list[str]] = {}
    if address.is_plain:
        own["http"] = True
    if site.ca:
        own["ca"] = [_CA]
    if own:
        tables.append(toml_table(("registry", address.authority), own))
    opening = comment("BuildKit: where images of these registries are asked for first.")
    files = [ClientFile("buildkitd.toml", "/etc/buildkit/buildkitd.toml", "\n".join([opening, *tables]))]
    if site.ca:
        files.append(ClientFile("mirrord-ca.crt", _CA, site.ca))
    notes = ["Restart buildkitd; with buildx: docker buildx create --driver docker-container --config buildkitd.toml"]
    if site.has_login:
        notes.append(f"docker login {address.authority} where the build is started: BuildKit asks the client.")
    return ClientSetup("buildkit", tuple(files), tuple(notes))
