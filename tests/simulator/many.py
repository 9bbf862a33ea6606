"""Many runs, on all cores. Each worker process makes its template once."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.simulator.run import Outcome, Run
from tests.simulator.template import Template, make_template
from tests.support.worker_pool import worker_pool

_CHUNK_RUNS = 4
_template: list[Template] = []


def play_all(folder: Path, seeds: range, workers: int, keep_story: bool) -> Iterator[Outcome]:
    """In the order of the seeds, so that the first one to fail is always the same."""
    chunks = [list(seeds[at : at + _CHUNK_RUNS]) for at in range(0, len(seeds), _CHUNK_RUNS)]
    if workers == 1 or len(chunks) == 1:
        _prepare(folder)
        for chunk in chunks:
            yield from _play(chunk, keep_story)
        return
    with worker_pool(workers, _prepare, folder) as pool:
        for outcomes in pool.map(_play, chunks, [keep_story] * len(chunks)):
            yield from outcomes


def _prepare(folder: Path) -> None:
    _template.append(make_template(Path(tempfile.mkdtemp(dir=folder))))


def _play(seeds: list[int], keep_story: bool) -> list[Outcome]:
    return [Run(_template[-1], seed).play(keep_story=keep_story) for seed in seeds]
