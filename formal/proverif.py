"""Run the models through ProVerif and compare what it says with what they claim."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from formal.model_file import Asked, Model, Variant, only, without
from formal.verdict import Line, Verdict

SECONDS_MAX = 300
TRACE_LINES_MAX = 60

_SUMMARY = re.compile(r"^(?:Query|Observational|Non-interference|Weak secret)\b(.*)$", re.MULTILINE)
_VERSION = re.compile(r"Proverif (\S+?)\.? ")


def version() -> str | None:
    """As ProVerif names itself, or None where it is not on the path."""
    if shutil.which("proverif") is None:
        return None
    done = subprocess.run(["proverif", "--help"], capture_output=True, text=True, check=False)
    found = _VERSION.search(done.stdout + done.stderr)
    return f"ProVerif {found[1]}" if found else "ProVerif"


@dataclass(frozen=True)
class Answer:
    """results: for each query, in order: True, False or None (cannot be proved)."""

    output: str
    results: Sequence[bool | None]
    seconds: float


def ask(model: Model, guards: tuple[str, ...] = (), query: str | None = None) -> Answer:
    """One run, without the named guards. query: the only one to ask; None asks all."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        command = ["proverif"]
        source = model.source if query is None else only(model.source, query)
        for name, text in model.libraries:
            (place / f"{name}.pvl").write_text(without(text, guards))
            command += ["-lib", f"{name}.pvl"]
        (place / f"{model.name}.pv").write_text(without(source, guards))
        began = time.monotonic()
        try:
            done = subprocess.run(
                [*command, f"{model.name}.pv"],
                cwd=place,
                capture_output=True,
                text=True,
                timeout=SECONDS_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Answer("ProVerif did not end in time.", [], SECONDS_MAX)
    output = done.stdout + done.stderr
    _, _, summary = output.partition("Verification summary:")
    results = [_truth(line) for line in _SUMMARY.findall(summary)]
    return Answer(output, results, time.monotonic() - began)


def _truth(line: str) -> bool | None:
    if line.endswith("is true."):
        return True
    return False if line.endswith("is false.") else None


def run(model: Model, results: Path) -> Iterator[Line]:
    """One line per claim, then one per variant. Outputs are kept in `results`, a file per model."""
    file = results / f"{model.name}.txt"
    answer = ask(model)
    file.write_text(_kept(model.name, answer))
    if len(answer.results) != len(model.asked):
        yield Line(model.name, "-", Verdict.FAILED, _complaint(answer), "")
        return
    cost = f"{answer.seconds:.1f} s"
    for asked, result in zip(model.asked, answer.results, strict=True):
        yield Line(model.name, asked.name, _verdict(asked, result), asked.text, cost)
    for variant in model.variants:
        answer = ask(model, variant.without, variant.breaks)
        with file.open("a") as more:
            more.write(_kept(f"{model.name}, {variant.name}", answer))
        yield _variant(model, variant, answer)


def _verdict(asked: Asked, result: bool | None) -> Verdict:
    if asked.kind == "claim":
        return Verdict.PROVED if result is True else Verdict.FAILED
    if result is not False:
        return Verdict.FAILED
    return Verdict.REACHED if asked.kind == "reached" else Verdict.ATTACK


def _variant(model: Model, variant: Variant, answer: Answer) -> Line:
    text = variant.text
    if not answer.results:
        verdict, text = Verdict.FAILED, _complaint(answer)
    elif variant.breaks is None:
        pairs = zip(model.asked, answer.results, strict=True)
        kept = all(result is True for asked, result in pairs if asked.kind == "claim")
        verdict = Verdict.EXPLAINED if kept else Verdict.FAILED
    else:
        attacked = _attacked(answer.results[0], answer.output)
        verdict = Verdict.ATTACK if attacked else Verdict.FAILED
    return Line(model.name, variant.name, verdict, text, f"{answer.seconds:.1f} s")


def _attacked(result: bool | None, output: str) -> bool:
    """Whether ProVerif built a trace. Of an equivalence it says "cannot be proved" even then."""
    equivalence = "RESULT Observational equivalence cannot be proved." in output
    return result is False or (equivalence and "\nA trace has been found." in output)


def _complaint(answer: Answer) -> str:
    lines = [line for line in answer.output.splitlines() if "rror" in line or "in time" in line]
    return lines[0] if lines else "ProVerif answered another number of queries."


def _kept(title: str, answer: Answer) -> str:
    """Each result, after the first lines of the attack if there is one."""
    kept: list[str] = [f"==== {title}"]
    room = 0
    for line in answer.output.splitlines():
        if line.startswith("A more detailed output of the traces"):
            room = TRACE_LINES_MAX
        if line.startswith(("RESULT", "-- Query", "-- Observational", "A trace has been found")):
            room = 1
        if room > 0:
            kept.append(line.rstrip())
            room -= 1
    return "\n".join([*kept, "", ""])
