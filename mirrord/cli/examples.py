"""What `--help` shows first: a few lines to type for each command, the likeliest on top. A test parses every one."""

from collections.abc import Mapping
from typing import Final

_EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "adopt": ("mirrord adopt docker-registry:/var/lib/registry", "mirrord adopt oci-layout:./images --root ./mirror"),
    "block": ("mirrord block nginx:1.27 --why CVE-2025-0001", "mirrord block"),
    "cancel": ("mirrord cancel", "mirrord cancel nightly"),
    "check": ("mirrord check", "mirrord check --online -v"),
    "clients": ("mirrord clients containerd podman", "mirrord clients --write ./etc"),
    "config schema": ("mirrord config schema > mirrord.schema.json",),
    "config show": ("mirrord config show",),
    "demo": ("mirrord demo", "mirrord demo --once"),
    "doctor": ("mirrord doctor", "sudo -u mirrord mirrord doctor --json"),
    "export": ("mirrord export bundle.tar", "mirrord export --since 41 bundle.tar"),
    "gc": ("mirrord gc --dry-run", "mirrord gc"),
    "images": ("mirrord images", "mirrord images nginx", "mirrord images nginx:1.27 --history"),
    "import": (
        "mirrord import regsync.yml --write mirrord.yaml",
        "kubeadm config images list | mirrord import -",
    ),
    "init": ("mirrord init /var/lib/mirrord",),
    "load": ("mirrord load bundle.tar",),
    "misses": (
        "mirrord misses --since 7d",
        "sudo cat /var/log/nginx/mirrord.log | sudo -u mirrord mirrord misses --write -",
    ),
    "nginx": (
        "mirrord nginx > /etc/nginx/conf.d/mirrord.conf",
        "mirrord nginx --standalone --listen 127.0.0.1:5000 > nginx.conf",
    ),
    "pause": ("mirrord pause",),
    "reload": ("mirrord reload",),
    "remove": ("mirrord remove alpine:3.20",),
    "resume": ("mirrord resume",),
    "run": ("mirrord run --config /etc/mirrord/mirrord.yaml",),
    "serve": ("mirrord serve", "mirrord serve --listen :5000"),
    "snapshots diff": ("mirrord snapshots diff", "mirrord snapshots diff 41 42"),
    "snapshots list": ("mirrord snapshots list",),
    "snapshots pin": ("mirrord snapshots pin 41",),
    "snapshots release": ("mirrord snapshots release",),
    "snapshots rollback": ("mirrord snapshots rollback", "mirrord snapshots rollback 41 nginx --yes"),
    "snapshots unpin": ("mirrord snapshots unpin 41",),
    "status": ("mirrord status", "mirrord status --check --json"),
    "sync": (
        "mirrord sync alpine:3.20 quay.io/coreos/flannel:v0.11.0 --root ./mirror",
        "mirrord sync --config mirrord.yaml",
        "mirrord sync nginx --dry-run",
    ),
    "systemd": ("mirrord systemd > /etc/systemd/system/mirrord.service", "mirrord systemd --print sysusers"),
    "trigger": ("mirrord trigger", "mirrord trigger nightly --no-wait"),
    "unblock": ("mirrord unblock nginx:1.27",),
    "verify": ("mirrord verify", "mirrord verify --repair"),
}


def lines_of(command: str) -> tuple[str, ...]:
    """The examples of a command, by its name after `mirrord`."""
    return _EXAMPLES.get(command, ())


def help_of(command: str, words: str) -> str:
    """What `--help` says of a command: the first of its ``words``, its examples, and the rest."""
    first, _, rest = words.partition("\n\n")
    found = lines_of(command)
    examples = "\n\n".join(["[bold]Examples[/bold]", *found]) if found else ""
    return "\n\n".join(filter(None, (first, examples, rest)))
