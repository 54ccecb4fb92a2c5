"""Fetching the files that a record offers, with a progress bar on a terminal."""

import contextlib
import sys
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from exporter.cli.inspect.atomic_write import save
from exporter.client.download import SecretUrl, download
from exporter.client.transport import MAX_BODY_BYTES, FileTransport
from exporter.model.record import FetchError, Reason

_PART_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a record's files."""

    paths: dict[str, Path] = field(default_factory=dict)
    """Where they are, by their names."""
    problems: list[str] = field(default_factory=list)
    """Why others are not there, for the operator."""


@dataclass(frozen=True, slots=True)
class Fetching:
    """A way to the hosts of the files."""

    transport: FileTransport
    deadline: float
    """Seconds for each part of a file."""

    def save_all(self, files: Mapping[str, SecretUrl], folder: Path, prefix: str) -> Saved:
        """Save them under names of ours. One that can't be had keeps no other from being saved; a disk does."""
        saved = Saved()
        for name, url in files.items():
            path = folder / f"{prefix}-{name}"
            try:
                with contextlib.closing(self._parts(name, url)) as parts:
                    save(path, parts)
                saved.paths[name] = path
            except FetchError as error:
                saved.problems.append(f"{name}: {error.reason}: {error}")
            except OSError as error:
                saved.problems.append(f"cannot write {path}: {error.strerror}")
                break
        return saved

    def content(self, name: str, url: SecretUrl, saved: Path | None) -> bytes:
        """All of a file, from where it is saved if it is. Raises FetchError, also if it is too large to be read."""
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
            download(self.transport, url, self.deadline) as body,
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
