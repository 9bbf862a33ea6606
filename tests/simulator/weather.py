"""What goes wrong in one run, and how often: drawn from the seed, counted as it happens."""

from collections import Counter
from dataclasses import dataclass
from random import Random

_HOW_OFTEN = (0.0, 0.0, 0.0, 0.005, 0.015, 0.05)
_HOW_OFTEN_KILLED = (0.0, 0.0, 0.002, 0.005, 0.012)
_KINDS = ("dropped", "cut", "delayed", "duplicated", "corrupted", "line cut")
SERVER_DOWN_SECONDS = (1.0, 20.0, 20.0, 400.0, 4_000.0)
PERSON_DOWN_SECONDS = (1.0, 20.0, 400.0, 4_000.0, 30 * 3600.0, 100 * 3600.0)
"""How long somebody who was killed stays away, at most; the long ones run into deadlines."""


@dataclass(frozen=True)
class Exchange:
    """What becomes of one request and its answer. Delays in seconds; None: never arrives.

    again: when a copy of the request arrives. corrupt: "request", "answer" or "".
    cut: "request" (half of it arrives) or "answer" (the connection ends before it does) or "".
    """

    request: float | None
    answer: float | None
    again: tuple[float, ...] = ()
    corrupt: str = ""
    cut: str = ""


@dataclass(frozen=True)
class FrameFate:
    """What becomes of one frame of a stream. delay: seconds; None: the stream is dead, silently.

    cut: "before" it arrives, "after", or "". corrupt: one byte of it is changed.
    """

    delay: float | None
    cut: str = ""
    corrupt: bool = False


class Weather:
    """Draws faults. Calm: nothing goes wrong any more. cut_at: streams cut, by the step."""

    def __init__(self, random: Random, streams_cut: float = 0.0) -> None:
        self.calm = False
        self.counted: Counter[str] = Counter()
        self.cut_at: Counter[str] = Counter()
        self._streams_cut = streams_cut
        self._random = random
        self._often = {kind: random.choice(_HOW_OFTEN) for kind in _KINDS}
        self._killed = random.choice(_HOW_OFTEN_KILLED)
        self._full = random.choice((0.0, 0.0, 0.0, 0.01))
        self._lines: dict[tuple[str, str], float] = {}

    def describe(self) -> str:
        """For the story's first line."""
        kinds = {**self._often, "killed": self._killed, "disk full": self._full}
        kinds["stream cut"] = self._streams_cut
        return ", ".join(f"{kind} {often:.1%}" for kind, often in kinds.items() if often) or "calm"

    def happens(self, kind: str, often: float) -> bool:
        """Whether it happens now; counted if so."""
        if self.calm or not often or self._random.random() >= often:
            return False
        self.counted[kind] += 1
        return True

    def kills(self) -> bool:
        """Whether the process that asks dies here."""
        return self.happens("killed", self._killed)

    def refuses_commit(self) -> bool:
        """Whether the disk is full now."""
        return self.happens("disk full", self._full)

    def down_seconds(self, choices: tuple[float, ...]) -> float:
        """How long a killed process is away: up to one of `choices`."""
        return 1.0 if self.calm else self._random.uniform(0.5, self._random.choice(choices))

    def line_is_cut(self, one: str, other: str, now: float) -> bool:
        """Whether nothing passes between these two for a while."""
        if self.calm:
            return False
        line = (one, other)
        if self._lines.get(line, 0.0) > now:
            return True
        if self.happens("line cut", self._often["line cut"] / 4):
            self._lines[line] = now + self._random.uniform(1, 120)
            return True
        return False

    def exchange(self) -> Exchange:
        """The fate of one exchange."""
        often, random = self._often, self._random
        request, answer = random.uniform(0.001, 0.05), random.uniform(0.001, 0.05)
        if self.calm:
            return Exchange(request, answer)
        if self.happens("dropped", often["dropped"]):
            if random.random() < 0.5:
                return Exchange(None, None)
            return Exchange(request, None)
        cut = corrupt = ""
        if self.happens("cut", often["cut"]):
            cut = random.choice(("request", "answer"))
        elif self.happens("corrupted", often["corrupted"]):
            corrupt = random.choice(("request", "answer"))
        if self.happens("delayed", often["delayed"]):
            late = random.choice((2.0, 20.0, 60.0, 2_000.0))
            if random.random() < 0.5:
                request += random.uniform(0, late)
            else:
                answer += random.uniform(0, late)
        return Exchange(request, answer, self.copies(request), corrupt, cut)

    def exchange_seconds(self) -> float:
        """From one end to the other, in good weather."""
        return self._random.uniform(0.001, 0.05)

    def copies(self, after: float) -> tuple[float, ...]:
        """When copies of a request arrive that is sent now and arrives in `after` seconds."""
        random = self._random
        if not self.happens("duplicated", self._often["duplicated"]):
            return ()
        late = random.choice((0.1, 5.0, 300.0, 90_000.0))
        copies = random.choice((1, 1, 1, 3))
        return tuple(after + random.uniform(0, late) for _ in range(copies))

    def frame(self, step: str) -> FrameFate:
        """The fate of one frame, which is part of that step of a purchase."""
        often, random = self._often, self._random
        delay = random.uniform(0.001, 0.05)
        if self.happens("stream cut", self._streams_cut):
            self.cut_at[step] += 1
            return FrameFate(delay, random.choice(("before", "after")))
        if self.happens("dropped", often["dropped"] / 2):
            return FrameFate(None)
        if self.happens("delayed", often["delayed"] / 2):
            delay += random.uniform(0, random.choice((2.0, 20.0, 60.0)))
        return FrameFate(delay, corrupt=self.happens("corrupted", often["corrupted"] / 2))

    def damaged(self, data: bytes) -> bytes:
        """One byte of it changed."""
        if not data:
            return data
        at = self._random.randrange(len(data))
        changed = data[at] ^ self._random.randrange(1, 256)
        return data[:at] + bytes((changed,)) + data[at + 1 :]
