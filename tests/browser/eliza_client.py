"""elizaOS's web client as npm has it: ``python -m tests.browser.eliza_client`` gets the build, once.

It is no dependency of tests/compat, because its own dependencies are hundreds of megabytes that the build
holds already.
"""

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "@elizaos/client@1.7.2"
INTEGRITY = "sha512-/ZdtejKf073nOWypbN0ZXD+FiV4ZSjg62PiP+dpsTt2VGTp7OkttepcwdbZFxLJCGLHSo5yek/zyhBCknHV71g=="
FOLDER = Path(__file__).parent / ".cache" / PACKAGE.replace("/", "-")


def find_build() -> Path | None:
    """Return the folder of the build, if it is there."""
    build = FOLDER / "package" / "dist"
    return build if (build / "index.html").is_file() else None


def fetch() -> None:
    """Get the package, check that it is the one that is meant, and unpack its build."""
    with tempfile.TemporaryDirectory() as folder:
        command = ("npm", "pack", PACKAGE, "--silent", "--pack-destination", folder)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (packed,) = Path(folder).glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != INTEGRITY:
            raise SystemExit(f"{PACKAGE} is not what it was: sha512-{digest}")
        with tarfile.open(packed) as archive:
            build = [member for member in archive if member.name.startswith("package/dist/")]
            archive.extractall(FOLDER, build, filter="data")


if __name__ == "__main__" and find_build() is None:
    print(f"Getting {PACKAGE}", file=sys.stderr)
    fetch()
