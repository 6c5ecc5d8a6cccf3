"""What systemd runs the daemon by: its unit, its user, its directories, for a root and a config."""

import re
from importlib.resources import files
from pathlib import Path

from msgspec import Struct

from mirrord.errors import ConfigError

STATE = Path("/var/lib")
"""Where systemd makes a service's own directory."""
DEFAULT_ROOT = STATE / "mirrord"
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
_PATH = re.compile(r"/[A-Za-z0-9_./:@,+=-]*")
"""What needs no escape in a unit."""


class Unit(Struct, frozen=True):
    """What the unit is rendered for; every path is absolute."""

    root: Path = DEFAULT_ROOT
    config: Path = Path("/etc/mirrord/mirrord.yaml")
    command: Path = Path("/usr/local/bin/mirrord")
    user: str = "mirrord"

    def render(self) -> str:
        """The unit as text. Raises ConfigError for values that a unit can't hold."""
        return self._rendered("mirrord.service")

    def user_entry(self) -> str:
        """What systemd-sysusers makes the user by. Raises ConfigError as ``render`` does."""
        return self._rendered("mirrord.sysusers.conf")

    def directories(self) -> str:
        """What systemd-tmpfiles makes /etc/mirrord by: never another directory, which may be somebody's."""
        return self._rendered("mirrord.tmpfiles.conf")

    def _rendered(self, name: str) -> str:
        for path in (self.root, self.config, self.command):
            if not _PATH.fullmatch(str(path)):
                raise ConfigError(
                    f"{str(path)!r} can't stand in a unit; expected an absolute path of letters, digits and ./_-:@,+="
                )
        if not _USER.fullmatch(self.user):
            raise ConfigError(f"{self.user!r} is no name of a user; expected e.g. mirrord")
        values = {
            "ROOT": str(self.root),
            "CONFIG": str(self.config),
            "COMMAND": str(self.command),
            "USER": self.user,
            "STATE": self._state(),
        }
        text = files("mirrord.service").joinpath("templates", name).read_text()
        return re.sub(r"@([A-Z]+)@", lambda found: values[found[1]], text)

    def _state(self) -> str:
        """A root below /var/lib is systemd's to make; another one has to be there, and the user's."""
        if self.root.parent == STATE:
            return f"StateDirectory={self.root.name}\nStateDirectoryMode=0755"
        return f"ReadWritePaths={self.root}"
