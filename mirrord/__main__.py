"""The `mirrord` command: answers `--version` at once, and hands everything else to the command line."""

import gc
import sys

_YOUNG = 20_000
"""Objects after which the collector looks at the young ones: 700 made it look all the time, and find nothing."""


def main() -> None:
    """Run the command line and exit with its status."""
    if sys.argv[1:] == ["--version"]:
        from mirrord import __version__

        sys.stdout.write(f"mirrord {__version__}\n")
        return
    gc.set_threshold(_YOUNG)
    from mirrord.cli.app import run

    status = run()
    gc.freeze()  # else Python looks for garbage in all that is there before it ends: 80 ms
    sys.exit(status)


if __name__ == "__main__":
    main()
