"""Download the files that a record offers, with a progress bar on a terminal."""

import contextlib
import sys
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from exporter.cli.atomic_write import PRIVATE, atomic_write
from exporter.client.download import SecretUrl, download
from exporter.client.transport import MAX_BODY_BYTES, FileTransport
from exporter.model.record import FetchError, Reason

_PART_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Saved:
    """The files of a record that were saved, and those that were not."""

    paths: dict[str, Path] = field(default_factory=dict)
    """The paths of the saved files, by the files' names."""
    problems: list[str] = field(default_factory=list)
    """Messages for the operator about the others."""


@dataclass(frozen=True, slots=True)
class FileFetcher:
    """Downloads files from the hosts that the API names."""

    transport: FileTransport
    timeout: float
    """Seconds for each part of a file."""

    def save_all(self, files: Mapping[str, SecretUrl], folder: Path, prefix: str) -> Saved:
        """Save files as `PREFIX-NAME` in a folder, which is made if need be.

        After a failed download the next file is tried; after an error of the disk none is.
        """
        saved = Saved()
        for name, url in files.items():
            path = folder / f"{prefix}-{name}"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with contextlib.closing(self._parts(name, url)) as parts:
                    atomic_write(path, parts, PRIVATE)
                saved.paths[name] = path
            except FetchError as error:
                saved.problems.append(f"{name}: {error.reason}: {error}")
            except OSError as error:
                saved.problems.append(f"cannot write {path}: {error.strerror}")
                break
        return saved

    def content(self, name: str, url: SecretUrl, saved: Path | None) -> bytes:
        """Return a file's content, read from `saved` if it is there. Raises FetchError, also for too large a file."""
        if saved is None:
            with contextlib.closing(self._parts(name, url)) as parts:
                return _joined(name, parts)
        try:
            with saved.open("rb") as file:
                return _joined(name, iter(lambda: file.read(_PART_BYTES), b""))
        except OSError as error:
            raise FetchError(Reason.MALFORMED, f"cannot read {saved}: {error.strerror}") from None

    def _parts(self, name: str, url: SecretUrl) -> Generator[bytes, None, None]:
        with (
            download(self.transport, url, self.timeout) as body,
            tqdm(
                total=body.size,
                desc=name,
                unit="B",
                unit_scale=True,
                leave=False,
                disable=not sys.stderr.isatty(),
            ) as bar,
        ):
            for part in body.parts:
                bar.update(len(part))
                yield part


def _joined(name: str, parts: Iterable[bytes]) -> bytes:
    content = bytearray()
    for part in parts:
        content += part
        if len(content) > MAX_BODY_BYTES:
            size = f"{MAX_BODY_BYTES // 1024**2} MiB"
            raise FetchError(Reason.TOO_LARGE, f"{name} is larger than {size}, too large to be summed up; see --files")
    return bytes(content)
