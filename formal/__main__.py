"""`python -m formal [NAME ...]`: run the models and write `formal/results/README.md`.

NAME: a model of `formal/models` or `spin`; none means all. Exit code 1 when a claim failed.
"""

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from formal import proverif, spin
from formal.model_file import all_models
from formal.verdict import Line, Verdict

RESULTS = Path(__file__).parent / "results"
NO_PROVERIF = (
    "ProVerif is not on the path: its models are not run (formal/README.md says where from)."
)
NO_SPIN = "SPIN or gcc is not on the path: the model of money and time is not run."


def lines(names: list[str]) -> Iterator[Line]:
    """Of everything that is installed and named."""
    models = [model for model in all_models() if not names or model.name in names]
    if proverif.version() is None:
        if models:
            print(NO_PROVERIF)
    else:
        for model in models:
            yield from proverif.run(model, RESULTS)
    if names and "spin" not in names:
        return
    if spin.version() is None:
        print(NO_SPIN)
    else:
        yield from spin.run(RESULTS)


def table(found: Iterable[Line]) -> str:
    """The page that the README links."""
    versions = ", ".join(v for v in (proverif.version(), spin.version()) if v is not None)
    rows = "\n".join(
        f"| {line.model} | `{line.claim}` | {line.verdict} | {line.text} | {line.note} |"
        for line in found
    )
    return (
        "# What the provers said\n\n"
        f"Written by `make formal` on {datetime.now(UTC):%Y-%m-%d} with {versions}.\n"
        "[How to read it](../README.md).\n\n"
        "| model | claim or variant | verdict | what it says | cost |\n|---|---|---|---|---|\n"
        f"{rows}\n"
    )


def main(names: list[str]) -> int:
    RESULTS.mkdir(exist_ok=True)
    found = []
    for line in lines(names):
        found.append(line)
        print(f"{line.model:24} {line.claim:36} {line.verdict}  {line.note}", flush=True)
    complete = not names and None not in (proverif.version(), spin.version())
    if complete:
        (RESULTS / "README.md").write_text(table(found))
    failed = [line for line in found if line.verdict is Verdict.FAILED]
    print(f"{len(found) - len(failed)} as expected, {len(failed)} failed.")
    return 1 if failed or not found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
