"""Helm, ORAS and cosign: they know no mirrors, so the mirror's name stands in what is typed."""

from mirrord.serve.clients import ClientFile, ClientSetup, ClientsSite, example


def helm(site: ClientsSite) -> ClientSetup:
    """A chart by the mirror's name."""
    options = _options(site, plain="--plain-http", ca="--ca-file ca.crt")
    notes = [f"helm pull oci://{example(site, 'CHART')} --version VERSION{options}"]
    if site.has_login:
        notes.append(f"helm registry login {site.address.authority}{options}")
    return ClientSetup("helm", _ca(site), tuple(notes))


def oras(site: ClientsSite) -> ClientSetup:
    """An artifact, and what refers to it, by the mirror's name."""
    options = _options(site, plain="--plain-http", ca="--ca-file ca.crt")
    notes = [f"oras pull{options} {example(site)}:TAG", f"oras discover{options} {example(site)}:TAG"]
    if site.has_login:
        notes.append(f"oras login{options} {site.address.authority}")
    return ClientSetup("oras", _ca(site), tuple(notes))


def cosign(site: ClientsSite) -> ClientSetup:
    """A signature, which names the image as its origin does and is verified all the same."""
    options = _options(site, plain="--allow-http-registry", ca="--registry-cacert ca.crt")
    notes = [
        f"cosign verify{options} --key cosign.pub {example(site)}@DIGEST",
        "The signature is the origin's, and so names the origin: that is right.",
    ]
    if site.has_login:
        notes.append(f"cosign login {site.address.authority}")
    return ClientSetup("cosign", _ca(site), tuple(notes))


def _options(site: ClientsSite, *, plain: str, ca: str) -> str:
    if site.address.is_plain:
        return f" {plain}"
    return f" {ca}" if site.ca else ""


def _ca(site: ClientsSite) -> tuple[ClientFile, ...]:
    return (ClientFile("ca.crt", "beside where it is run", site.ca),) if site.ca else ()
