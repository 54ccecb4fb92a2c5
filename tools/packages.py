"""`python -m tools.packages [FOLDER]`: build the deb and the rpm package into a folder, dist/ by default.

Both have the same files: a virtual environment with the program and its locked libraries in /usr/lib/batch-exporter,
for the Python version that builds it. The same commit gives the same bytes.
"""

import gzip
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from email.utils import formatdate
from hashlib import md5
from pathlib import Path

from exporter import __version__

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "deploy/packages"
NAME = "batch-exporter"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
HOME = f"usr/lib/{NAME}"
LIBRARIES = f"{HOME}/lib/python{PYTHON}/site-packages"
CONFIG = f"etc/{NAME}/config.yaml"
UNIT = f"usr/lib/systemd/system/{NAME}.service"
DOC = f"usr/share/doc/{NAME}"
PROGRAMS: Mapping[str, str] = {"dpkg-deb": "dpkg", "rpmbuild": "rpm"}
"""What builds the packages, with the Debian package of each."""
SCRIPTS = ("postinst", "prerm", "postrm")
ARCHITECTURES: Mapping[str, str] = {"x86_64": "amd64", "aarch64": "arm64"}
MAINTAINER = "The maintainers of batch-exporter <batch-exporter@packages.invalid>"
_LEAST_GLIBC = (2, 17)
"""What manylinux2014 asks for, the oldest that the locked libraries have wheels for."""
_LAUNCHER = """\
#!/{home}/bin/python3 -I
import os

os.environ.setdefault("BATCH_EXPORTER_REVISION", {revision!r})

from exporter.__main__ import main

main()
"""
_CONTROL = """\
Package: {name}
Version: {version}
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {size}
Depends: python{python}, libc6 (>= {glibc}), libgcc-s1, libstdc++6
Section: net
Priority: optional
Description: Prometheus exporter for batches and invocations of Inkit and PackageX
 It polls the APIs of Inkit and PackageX, counts what fails and what is stuck,
 and exposes it to Prometheus. The systemd unit runs it as a user that exists
 only while it runs; its state is in /var/lib/batch-exporter.
"""
_DEBIAN_CHANGELOG = """\
{name} ({version}) unstable; urgency=medium

  * Version {upstream}: see changelog.gz.

 -- {maintainer}  {date}
"""


class BuildError(Exception):
    """A program that failed. The text is the command with its output."""


def run(command: Sequence[str | Path], folder: Path = ROOT, **variables: str) -> str:
    """Run a command, and return what it prints. Raises BuildError."""
    done = subprocess.run(command, cwd=folder, env=os.environ | variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def write(path: Path, content: str | bytes) -> None:
    """Write a file, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def packed(content: str | bytes) -> bytes:
    """Compress without a date."""
    return gzip.compress(content.encode() if isinstance(content, str) else content, 9, mtime=0)


def packaged_unit() -> str:
    """Return the systemd unit with the paths of the package."""
    text = (ROOT / f"deploy/systemd/{NAME}.service").read_text()
    text = text.replace(f"# /etc/systemd/system/{NAME}.service", f"# /{UNIT}")
    return text.replace(f"ExecStart=/opt/{NAME}/bin/{NAME} ", f"ExecStart=/usr/bin/{NAME} ")


def least_glibc(libraries: Path) -> str:
    """Return the oldest glibc that all installed wheels run with, from their tags."""
    texts = (path.read_text() for path in libraries.glob("*.dist-info/WHEEL"))
    found = (match for text in texts for match in re.findall(r"manylinux_(\d+)_(\d+)_", text))
    major, minor = max([_LEAST_GLIBC, *((int(major), int(minor)) for major, minor in found)])
    return f"{major}.{minor}"


def _install(tree: Path, work: Path) -> None:
    """Install the locked libraries and the wheel, built with the locked setuptools."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-compile")
    locked = (*pip, "--no-deps", "--require-hashes", "--only-binary", ":all:", "--target")
    lock = ROOT / "deploy/image"
    run([*locked, work / "setuptools", "--requirement", lock / "build-requirements.txt"])
    checkout = work / "checkout"
    checkout.mkdir()
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copyfile(ROOT / name, checkout / name)
    shutil.copytree(ROOT / "exporter", checkout / "exporter", ignore=shutil.ignore_patterns("__pycache__"))
    build = "from setuptools import build_meta as b; b.build_wheel('dist')"
    run([sys.executable, "-c", build], checkout, PYTHONPATH=str(work / "setuptools"))
    libraries = tree / LIBRARIES
    run([*locked, libraries, "--requirement", lock / "requirements.txt"])
    (wheel,) = (checkout / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(libraries)
    # Scripts of libraries that nobody calls, for a Python elsewhere.
    shutil.rmtree(libraries / "bin", ignore_errors=True)


def _printed(tree: Path, flag: str) -> str:
    """Return what the program in the tree prints for a flag."""
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from exporter.__main__ import main; main()"
    return run([sys.executable, "-IBS", "-c", code, tree / LIBRARIES, flag])


def make_tree(tree: Path, work: Path) -> None:
    """Make the files that both packages have."""
    _install(tree, work)
    write(tree / HOME / "pyvenv.cfg", f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n")
    python = tree / HOME / "bin/python3"
    python.parent.mkdir()
    python.symlink_to(f"../../../bin/python{PYTHON}")
    revision = os.environ.get("BATCH_EXPORTER_REVISION", "unknown")
    write(tree / "usr/bin" / NAME, _LAUNCHER.format(home=HOME, revision=revision))
    write(tree / UNIT, packaged_unit())
    write(tree / CONFIG, (SOURCES / "config.yaml").read_text())
    write(tree / f"usr/share/man/man1/{NAME}.1.gz", packed(_printed(tree, "--help-man")))
    share = tree / "usr/share"
    write(share / f"bash-completion/completions/{NAME}", _printed(tree, "--completion-script-bash"))
    write(share / f"zsh/site-functions/_{NAME}", _printed(tree, "--completion-script-zsh"))
    write(share / f"fish/vendor_completions.d/{NAME}.fish", _printed(tree, "--completion-script-fish"))
    write(tree / DOC / "changelog.gz", packed((ROOT / "CHANGELOG.md").read_bytes()))
    write(tree / DOC / "examples/config.example.yaml", (ROOT / "config.example.yaml").read_bytes())
    # Bytecode without the time of its source: nothing is written beside the sources later, or left by a removal.
    compile_all = (sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash")
    run([*compile_all, "-s", tree, "-p", "/", tree / LIBRARIES])


def settle(tree: Path, epoch: int) -> None:
    """Give all files the rights that a package has, and one date."""
    for path in sorted(tree.rglob("*"), reverse=True):
        if not path.is_symlink():
            executable = (
                path.is_dir() or path.parent == tree / "usr/bin" or path.name in ("postinst", "prerm", "postrm")
            )
            path.chmod(0o755 if executable else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)
    tree.chmod(0o755)
    os.utime(tree, (epoch, epoch))


def _files(tree: Path) -> Iterator[Path]:
    return (path for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink())


def build_deb(tree: Path, folder: Path, epoch: int) -> Path:
    """Build the deb package from its files, which it moves as Debian wants them. Returns its path."""
    version = f"{__version__}-1+python{PYTHON}"
    architecture = ARCHITECTURES[platform.machine()]
    share = tree / "usr/share"
    (share / "zsh/site-functions").rename(share / "zsh/vendor-completions")
    known = {"name": NAME, "version": version, "upstream": __version__, "maintainer": MAINTAINER, "python": PYTHON}
    known |= {"architecture": architecture, "date": formatdate(epoch), "glibc": least_glibc(tree / LIBRARIES)}
    write(tree / DOC / "changelog.Debian.gz", packed(_DEBIAN_CHANGELOG.format(**known)))
    write(tree / DOC / "copyright", (SOURCES / "copyright").read_bytes())
    write(share / f"lintian/overrides/{NAME}", (SOURCES / "deb/lintian-overrides").read_bytes())
    sums = (
        f"{md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(tree)}\n"
        for path in _files(tree)
        if path != tree / CONFIG
    )
    control = {"md5sums": "".join(sums), "conffiles": f"/{CONFIG}\n"}
    control |= {name: (SOURCES / "deb" / name).read_text() for name in SCRIPTS}
    size = sum(-(-path.stat().st_size // 1024) for path in _files(tree))
    control["control"] = _CONTROL.format(**known, size=size)
    for name, text in control.items():
        write(tree / "DEBIAN" / name, text)
    settle(tree, epoch)
    made = folder / f"{NAME}_{version}_{architecture}.deb"
    # More threads would cut what is compressed elsewhere.
    command = ("dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", tree, made)
    run(command, SOURCE_DATE_EPOCH=str(epoch), DPKG_DEB_THREADS_MAX="1")
    return made


def build_rpm(tree: Path, folder: Path, epoch: int) -> Path:
    """Build the rpm package from its files. Returns its path."""
    write(tree / f"usr/share/licenses/{NAME}/LICENSE", (ROOT / "LICENSE").read_bytes())
    settle(tree, epoch)
    macros = {"release_version": __version__, "python": PYTHON, "glibc": least_glibc(tree / LIBRARIES)}
    macros |= {"tree": str(tree), "_topdir": str(tree.parent / "rpmbuild"), "_rpmdir": str(tree.parent / "rpms")}
    macros |= {"_dbpath": str(tree.parent / "rpmdb")}
    given = [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]
    spec = SOURCES / "rpm/batch-exporter.spec"
    run(["rpmbuild", "-bb", "--quiet", *given, spec], SOURCE_DATE_EPOCH=str(epoch))
    (made,) = (tree.parent / "rpms").rglob("*.rpm")
    return Path(shutil.copy(made, folder))


def build(folder: Path, epoch: int) -> list[Path]:
    """Build both packages into a folder. Raises BuildError."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        make_tree(work / "deb", work)
        shutil.copytree(work / "deb", work / "rpm", symlinks=True)
        return [build_deb(work / "deb", folder, epoch), build_rpm(work / "rpm", folder, epoch)]


def main(words: Sequence[str]) -> int:
    """Build the packages, and print their paths."""
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        print(f"{' and '.join(missing)} missing: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 1
    if platform.machine() not in ARCHITECTURES:
        print(f"{platform.machine()}: packages are for {' and '.join(ARCHITECTURES)}", file=sys.stderr)
        return 1
    try:
        made = build(Path(words[0] if words else "dist").absolute(), int(os.environ["SOURCE_DATE_EPOCH"]))
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    print(*made, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
