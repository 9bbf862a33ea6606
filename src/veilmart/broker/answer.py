"""What a rule returns: the message to seal, and what follows it in the clear-framed body."""

from dataclasses import dataclass

from veilmart.protocol.encoding import Message


@dataclass(frozen=True, slots=True)
class Answer:
    """attachment: bytes that are sealed already. natural: as many cells as the message needs."""

    message: Message
    attachment: bytes | memoryview | None = None
    natural: bool = False
