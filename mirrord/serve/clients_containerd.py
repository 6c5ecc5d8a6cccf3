"""containerd and what is made of it (k3s, RKE2, kind): a directory of hosts.toml, or the file they are made from."""

from mirrord.serve.clients import ClientFile, ClientSetup, ClientsSite, example
from mirrord.serve.clients_formats import TomlValue, comment, toml_pairs, toml_table, yaml
from mirrord.serve.clients_upstreams import Upstream

_CERTS = "/etc/containerd/certs.d"
_CAPABILITIES = ("pull", "resolve")
"""Never ``referrers``: containerd 1.6 ignores a whole hosts.toml with a capability it doesn't know."""
_CONFIG_PATH = f'config_path = "{_CERTS}"'
_PLUGIN_1 = '[plugins."io.containerd.grpc.v1.cri".registry]'
_PLUGIN_2 = '[plugins."io.containerd.cri.v1.images".registry]'


def containerd(site: ClientsSite) -> ClientSetup:
    """A hosts.toml for each upstream host, and one for the mirror itself."""
    notes = (
        f"config.toml has to name the directory: {_CONFIG_PATH} below {_PLUGIN_1} (containerd 2: {_PLUGIN_2}).",
        "A changed hosts.toml holds from the next pull on.",
        f"Try it: ctr images pull --hosts-dir {_CERTS} REGISTRY/REPOSITORY:TAG",
        f"By the mirror's own name: {example(site)}:TAG",
    )
    return ClientSetup("containerd", _certs(site, _CERTS), notes)


def kind(site: ClientsSite) -> ClientSetup:
    """A cluster config whose nodes have the directory of hosts.toml beside it."""
    cluster = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "containerdConfigPatches": [f"{_PLUGIN_1}\n  {_CONFIG_PATH}\n"],
        "nodes": [
            {
                "role": "control-plane",
                "extraMounts": [{"hostPath": "./certs.d", "containerPath": _CERTS, "readOnly": True}],
            }
        ],
    }
    opening = comment(
        "kind: run `kind create cluster --config cluster.yaml` in this directory.",
        "Each further node needs the same extraMounts.",
    )
    notes = []
    if site.address.is_loopback:
        notes.append(f"{site.address.url} is not reachable from the nodes: give the mirror another public_url.")
    files = [
        ClientFile("cluster.yaml", "kind create cluster --config cluster.yaml", opening + yaml(cluster)),
        *_certs(site, "beside cluster.yaml: ./certs.d"),
    ]
    return ClientSetup("kind", tuple(files), tuple(notes))


def k3s(site: ClientsSite) -> ClientSetup:
    """registries.yaml: endpoints, and rewrites that put the upstream's name into the path."""
    address = site.address
    mirrors = {
        each.host: {"endpoint": [address.url], "rewrite": {"^(.*)$": f"{each.path}/$1"}} for each in site.upstreams
    }
    document: dict[str, object] = {"mirrors": mirrors}
    place = "/etc/rancher/k3s/registries.yaml (RKE2: /etc/rancher/rke2/registries.yaml)"
    files = []
    notes = ["Restart k3s or k3s-agent (rke2-server, rke2-agent): it is read at the start only."]
    if site.ca:
        document["configs"] = {address.authority: {"tls": {"ca_file": "/etc/rancher/mirrord-ca.crt"}}}
        files.append(ClientFile("mirrord-ca.crt", "/etc/rancher/mirrord-ca.crt", site.ca))
    if site.has_login:
        notes.append(
            f'The password goes below configs: "{address.authority}": auth: username: and password:; '
            "keep the file readable for root alone then."
        )
    opening = comment("k3s and RKE2: where images of these registries are asked for first; the origin is asked last.")
    files.insert(0, ClientFile("registries.yaml", place, opening + yaml(document)))
    return ClientSetup("k3s", tuple(files), tuple(notes))


def hosts_toml(site: ClientsSite, upstream: Upstream) -> str:
    """The hosts.toml of one upstream: the mirror first, then the origin.

    The mirror's URL needs no path: containerd sends the host of the image's name with each request (``ns``).
    """
    pairs: dict[str, TomlValue] = {"capabilities": _CAPABILITIES}
    if site.ca:
        pairs["ca"] = f"../{host_directory(site.address.authority)}/ca.crt"
    table = ("host", site.address.url)
    return (
        comment(f"containerd: images of {upstream.host}. The origin (server) is asked for what the mirror lacks.")
        + toml_pairs({"server": upstream.origin})
        + f"\n{toml_table(table, pairs, '  ')}"
        + _login(site, (*table, "header"))
    )


def own_hosts_toml(site: ClientsSite) -> str:
    """The hosts.toml of the mirror itself, for images that are pulled by its name.

    containerd 1.6 ignores a file without a table ``host``, which may be empty.
    """
    pairs: dict[str, TomlValue] = {"server": site.address.url, "capabilities": _CAPABILITIES}
    if site.ca:
        pairs["ca"] = "ca.crt"
    opening = comment("containerd: images by the mirror's own name. (It wants the table host, though it is empty.)")
    return f"{opening}{toml_pairs(pairs)}{_login(site, ('header',))}\n[host]\n"


def host_directory(host: str) -> str:
    """The directory of a host below certs.d: ``quay.io``, and ``registry.lan_5000_`` where it has a port."""
    name, colon, port = host.rpartition(":")
    return f"{name}_{port}_" if colon and port.isdigit() else host


def _certs(site: ClientsSite, place: str) -> tuple[ClientFile, ...]:
    own = host_directory(site.address.authority)
    contents = {f"{host_directory(each.host)}/hosts.toml": hosts_toml(site, each) for each in site.upstreams}
    contents[f"{own}/hosts.toml"] = own_hosts_toml(site)
    if site.ca:
        contents[f"{own}/ca.crt"] = site.ca
    return tuple(ClientFile(f"certs.d/{path}", f"{place}/{path}", content) for path, content in contents.items())


def _login(site: ClientsSite, table: tuple[str, ...]) -> str:
    """How the password is given, as a comment: the file would hold a secret."""
    if not site.has_login:
        return ""
    header = toml_table(table, {"authorization": "Basic BASE64"}, "  ").splitlines()
    return "\n" + comment("The password, as base64 of user:password; keep the file readable for root alone.", *header)
