"""Structured logs: one JSON object a line, with names, addresses and numbers taken out.

Only fields known to be harmless are written unchanged; every other value is replaced by its kind. A
new field of an event is therefore redacted until it is listed as harmless.
"""

import dataclasses
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

_PLAIN = frozenset({"event", "level", "timestamp", "role", "kind", "place", "code", "group"})
_PLAIN |= {"task", "error", "settled", "paid", "what", "step", "suite", "transactions"}
_TOO_TELLING = re.compile(
    r"\b\d{1,3}(?:\.\d{1,3}){3}\b"  # IPv4
    r"|\[?[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,}\]?"  # IPv6
    r"|\b[0-9a-fA-F]{8,}\b"  # orders, hashes
    r"|\b(?:[a-z2-7]{4,}-){2,}[a-z2-7]{2,}\b"  # fingerprints
    r"|\b[0-9A-Z]{5}(?:-[0-9A-Z]{5}){3}\b"  # codes
    r"|\b[\w.-]+:\d{2,5}\b"  # host:port
    r"|\d[\d.,]*"
)
_REDACTED = "[redacted]"
_CODE = re.compile(r"error \d{4}")


def redact_text(text: str) -> str:
    """The text without addresses, names of orders, fingerprints, codes and numbers.

    An error's own code stays: it is what an operator looks up.
    """
    parts, start = [], 0
    for code in _CODE.finditer(text):
        parts += [_TOO_TELLING.sub(_REDACTED, text[start : code.start()]), code.group()]
        start = code.end()
    return "".join([*parts, _TOO_TELLING.sub(_REDACTED, text[start:])])


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """The structlog processor."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: str, value: Any) -> Any:
    if key == "timestamp" or value is None or isinstance(value, bool):
        return value
    if key not in _PLAIN:
        return f"[{type(value).__name__}]"
    if key in ("code", "transactions") and isinstance(value, int):
        return value
    if key in ("group", "suite", "place", "event", "level", "role", "kind"):
        return value if isinstance(value, str) else f"[{type(value).__name__}]"
    return redact_text(value) if isinstance(value, str) else f"[{type(value).__name__}]"


class _StandardError:
    """Whatever standard error is at the time; one write a line, so that lines stay whole."""

    def __init__(self, *_names: str) -> None:
        """structlog passes the logger's name."""

    def msg(self, line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    debug = info = warning = error = critical = exception = msg


def configure_logs() -> None:
    """From now on every log line of this process is redacted JSON on standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            redact,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        logger_factory=_StandardError,
        cache_logger_on_first_use=False,
    )


def event_log(role: str) -> Callable[[object], None]:
    """An observer that logs every event of a role: its kind, and its fields redacted."""
    log = structlog.get_logger(f"veilmart.{role}")

    def observe(event: object) -> None:
        fields: dict[str, Any] = {}
        if dataclasses.is_dataclass(event):
            fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
        fields.pop("event", None)
        log.info(type(event).__name__, role=role, **fields)

    return observe
