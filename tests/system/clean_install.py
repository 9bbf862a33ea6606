"""Install wheel and source archive where the repository is out of reach, and run them.

    python -m tests.system.clean_install DIST

DIST holds one wheel and one source archive. What a package forgets to ship (migrations, data files,
templates) fails here: the demonstration runs the three programs from the installed files alone.
"""

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PINS = ROOT / "requirements/run.txt"
DEMO_SECONDS_MAX = 300


def main(dist: Path) -> None:
    """Raises CalledProcessError when an installation or a program fails."""
    (wheel,) = dist.glob("*.whl")
    (archive,) = dist.glob("*.tar.gz")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        venv.create(place / "env", with_pip=True)
        programs = place / "env/bin"
        environment = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": folder, "LANG": "C.UTF-8"}
        # The machine's own settings of the package index; they name no part of the repository.
        environment |= {k: v for k, v in os.environ.items() if k.startswith("PIP_")}

        def run(*command: str | Path, seconds: int = 600) -> None:
            subprocess.run(command, cwd=folder, env=environment, check=True, timeout=seconds)

        run(programs / "pip", "install", "--quiet", "--require-hashes", "-r", PINS)
        for package in (wheel, archive):
            run(
                *(programs / "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"),
                *("--force-reinstall", package.resolve()),
            )
            run(programs / "veilmart", "--version")
            run(programs / "veilmart", "demo", seconds=DEMO_SECONDS_MAX)
    print(f"{wheel.name} and {archive.name} install and run without the repository.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
