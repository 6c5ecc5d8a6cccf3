"""What the doctor gathers, as values: of this host, of nginx, of the daemon, and of the network."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct, field


class Entry(Struct, frozen=True):
    """One directory or file that a reader has to get to."""

    path: Path
    mode: int
    user: int
    group: int
    is_directory: bool
    is_above: bool = False
    """Whether it is above the root: going through it is enough."""

    @property
    def needed(self) -> int:
        """The bits of a mode that a reader needs."""
        return 0o1 if self.is_above else 0o5 if self.is_directory else 0o4


class Reader(Struct, frozen=True):
    """The user that nginx's workers run as."""

    name: str
    user: int
    groups: frozenset[int]

    def may(self, entry: Entry) -> bool:
        """Whether it may read a file, or list a directory and go through it (access lists and SELinux apart)."""
        shift = 6 if entry.user == self.user else 3 if entry.group in self.groups else 0
        return self.user == 0 or (entry.mode >> shift) & entry.needed == entry.needed


class Host(Struct, frozen=True):
    """The process and the machine."""

    python: tuple[int, int]
    open_files: int
    """The limit that holds for this process."""
    concurrency: int
    """Requests the config has under way at once."""
    euid: int


class Disk(Struct, frozen=True):
    """The root's filesystem, and whether the root is one."""

    root: Path
    is_there: bool
    is_marked: bool = False
    owner: int = -1
    filesystem: str = ""
    options: str = ""
    mounted_at: str = ""
    free: int = 0
    reserve: int = 0
    inodes: int = 0
    inodes_free: int = 0
    probe: str | None = None
    """Why a hardlink or a rename failed; "" is that both work; None that it could not be tried."""
    problem: str = ""
    """Why it could not be looked at."""


class SiteFile(Struct, frozen=True):
    """A file of nginx's configuration that mirrord made."""

    path: Path
    root: str


class Nginx(Struct, frozen=True):
    """The nginx that is installed on this host."""

    version: tuple[int, ...] = ()
    """() is none."""
    directory: Path = Path("/etc/nginx")
    sites: Sequence[SiteFile] = ()
    reader: Reader | None = None
    """None where its user is none of this host's."""
    user: str = ""
    unreadable: Sequence[str] = ()


class Service(Struct, frozen=True):
    """The daemon, and systemd."""

    answers: bool = False
    version: str = ""
    process: int = 0
    same_config: bool = True
    own_version: str = ""
    closed: str = ""
    """Why its socket may not be opened."""
    problem: str = ""
    has_systemd: bool = False
    unit: str = ""
    """What ``systemctl is-enabled`` says."""


class Public(Struct, frozen=True):
    """What came through the public address."""

    url: str
    pinged: str = ""
    """"" where /v2/ answered as a registry does, else what is wrong."""
    pinged_status: int = 0
    image: str = ""
    """What was pulled; "" where nothing is served yet."""
    held: str = ""
    """The digest that the tree has for it."""
    sent: str = ""
    """The digest of what came."""
    manifest: str = ""
    """Why the manifest could not be had."""
    blob: str = ""
    blob_problem: str = ""


class Skew(Struct, frozen=True):
    """How far a server's clock is ahead of this host's."""

    source: str
    seconds: float


class Lookup(Struct, frozen=True):
    """One name that was looked up."""

    host: str
    problem: str = ""


class Asked(Struct, frozen=True):
    """One registry that was asked one question."""

    host: str
    asked: str
    login: str
    owner: str = ""
    problem: str = ""
    is_missing: bool = False
    """It answered, and does not have what was asked for."""


class Network(Struct, frozen=True):
    """All that was asked over the network."""

    public: Public | None = None
    lookups: Sequence[Lookup] = ()
    asked: Sequence[Asked] = ()
    skews: Sequence[Skew] = field(default_factory=tuple)
