"""Podman, Buildah, skopeo, CRI-O and OpenShift: mirrors by a prefix of the image's name (registries.conf)."""

from mirrord.serve.clients import ClientFile, ClientSetup, ClientsSite
from mirrord.serve.clients_formats import comment, toml_item, yaml

_CONF = "registries.conf.d/50-mirrord.conf"
_API = "config.openshift.io/v1"


def podman(site: ClientsSite) -> ClientSetup:
    """A drop-in of registries.conf, which Podman, Buildah and skopeo read."""
    notes = ["Nothing has to be restarted; without root, the same below ~/.config/containers/."]
    if site.has_login:
        notes.append(f"podman login {site.address.authority}")
    return ClientSetup("podman", _files(site), tuple(notes))


def cri_o(site: ClientsSite) -> ClientSetup:
    """The same file, which CRI-O reads too."""
    notes = ["systemctl reload crio"]
    if site.has_login:
        notes.append(
            f"The login to {site.address.authority} goes into the file that global_auth_file in crio.conf names, "
            "in the form of a Docker config.json."
        )
    return ClientSetup("cri-o", _files(site), tuple(notes))


def openshift(site: ClientsSite) -> ClientSetup:
    """An ImageDigestMirrorSet and an ImageTagMirrorSet: by digest and by tag."""
    mirrors = [
        {
            "source": each.host,
            "mirrors": [site.address.of(each)],
            "mirrorSourcePolicy": "AllowContactingSource",
        }
        for each in site.upstreams
    ]
    objects = [
        {"apiVersion": _API, "kind": kind, "metadata": {"name": "mirrord"}, "spec": {key: mirrors}}
        for kind, key in (("ImageDigestMirrorSet", "imageDigestMirrors"), ("ImageTagMirrorSet", "imageTagMirrors"))
    ]
    files = [ClientFile("mirrors.yaml", "oc apply -f mirrors.yaml", yaml(*objects))]
    notes = ["The Machine Config Operator writes it to all nodes, which takes minutes: oc get machineconfigpool"]
    if site.address.is_plain:
        notes.append(
            f"{site.address.authority} has no TLS: add it to spec.registrySources.insecureRegistries of "
            "image.config.openshift.io/cluster"
        )
    if site.ca:
        trust = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "mirrord-ca", "namespace": "openshift-config"},
            "data": {site.address.authority.replace(":", ".."): site.ca},
        }
        files.append(ClientFile("ca.yaml", "oc apply -f ca.yaml", yaml(trust)))
        patch = '{"spec":{"additionalTrustedCA":{"name":"mirrord-ca"}}}'
        notes.append(f"oc patch image.config.openshift.io/cluster --type merge --patch '{patch}'")
    if site.has_login:
        notes.append(f"The login to {site.address.authority} goes into the secret pull-secret of openshift-config.")
    return ClientSetup("openshift", tuple(files), tuple(notes))


def registries_conf(site: ClientsSite) -> str:
    """The drop-in: each prefix that the mirror has something of, and how the mirror is spoken to."""
    plain: dict[str, bool] = {"insecure": True} if site.address.is_plain else {}
    items = [
        toml_item("registry", {"prefix": each.host, "location": each.host})
        + toml_item("registry.mirror", {"location": site.address.of(each), **plain})
        for each in site.upstreams
    ]
    if plain:
        items.append(toml_item("registry", {"location": site.address.authority, **plain}))
    opening = comment(
        "Podman, Buildah, skopeo, CRI-O: where these images are asked for first; the origin is asked last."
    )
    return "\n".join([opening, *items])


def _files(site: ClientsSite) -> tuple[ClientFile, ...]:
    files = [ClientFile(_CONF, f"/etc/containers/{_CONF}", registries_conf(site))]
    if site.ca:
        place = f"certs.d/{site.address.authority}/ca.crt"
        files.append(ClientFile(place, f"/etc/containers/{place}", site.ca))
    return tuple(files)
