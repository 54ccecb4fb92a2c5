"""Read small files that an operator has named."""

import stat
from collections.abc import Mapping
from pathlib import Path

_MOUNTED = Path("/run")
"""The folder in which container runtimes and systemd mount secrets, often readable by all."""
_IN_A_CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""Docker makes the first of these files, Podman and CRI-O the second."""
_OF_A_CONTAINER = ("KUBERNETES_SERVICE_HOST", "container")
"""Variables of pods, because containerd makes no such file, and of Podman and systemd-nspawn."""


class Unreadable(Exception):
    """A file can't be read. The message gives the reason, and neither the file's name nor its content."""


def read(path: Path, limit: int) -> bytes:
    """Return the content of a file of at most `limit` bytes. Raises Unreadable."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        unexpanded = any(part.startswith("~") or "$" in part for part in path.parts)
        if unexpanded:
            raise Unreadable('there is no such file: "~" and variables are not expanded here') from None
        raise Unreadable("there is no such file") from None
    except PermissionError:
        raise Unreadable("there is no permission to read the file") from None
    except IsADirectoryError:
        raise Unreadable("it is a directory, not a file") from None
    except OSError as error:
        raise Unreadable(f"the file can't be read ({error.strerror})") from None
    except ValueError:
        raise Unreadable("the file's name has a character that no file can have") from None
    if len(content) > limit:
        raise Unreadable(f"the file is larger than {limit} bytes")
    return content


def is_open_to_all(path: Path, environ: Mapping[str, str]) -> bool:
    """Return whether every user of the machine may read the file.

    Mounted secrets do not count: files below /run, and in a container all files that are mounted into it.
    """
    try:
        place, found, root = path.resolve(), path.stat(), Path("/").stat()
    except (OSError, ValueError, RuntimeError):
        return False
    contained = any(map(Path.exists, _IN_A_CONTAINER)) or any(map(environ.get, _OF_A_CONTAINER))
    mounted = place.is_relative_to(_MOUNTED) or (contained and found.st_dev != root.st_dev)
    return stat.S_ISREG(found.st_mode) and bool(found.st_mode & stat.S_IROTH) and not mounted
