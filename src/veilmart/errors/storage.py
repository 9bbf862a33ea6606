"""Disk and database (codes 51xx)."""

from veilmart.errors.families import MONEY_SAFE, StorageFailure


class DiskFull(StorageFailure):
    code = 5101
    summary = "The disk is full."
    money = MONEY_SAFE
    hint = "Free some space, then run `veilmart customer sync`."


class CannotWrite(StorageFailure):
    code = 5102
    summary = "A file or folder cannot be written."
    hint = "Check permissions of the home and output folders."


class DatabaseFailure(StorageFailure):
    code = 5103
    summary = "The database refused an operation."
    hint = "Nothing was half done. Try again."


class SeedDamaged(StorageFailure):
    code = 5120
    summary = "The file with the wallet's seed is damaged."
    hint = "Move it away and run `veilmart customer wallet restore` with the words."


class OutputLost(StorageFailure):
    code = 5131
    summary = "The command's output cannot be written to standard output."
    money = ""
    hint = (
        "Before you run it again, see with a command that lists or shows it whether it took effect."
    )


class StoreDamaged(StorageFailure):
    code = 5104
    summary = "A stored file is missing or damaged."
    hint = "Restore it from the backup."


class LedgerViolated(StorageFailure):
    code = 5105
    summary = "A booking would have broken the ledger's rules and was not made."
    hint = "Run `veilmart broker audit`."


class SegmentDamaged(StorageFailure):
    code = 5106
    summary = "A stored segment is missing or damaged."
    money = MONEY_SAFE
    hint = "`veilmart customer sync` fetches it again."

    def __init__(self, index: int) -> None:
        super().__init__(f"Segment {index}.")
        self.index = index


class DatabaseAway(DatabaseFailure):
    code = 5110
    summary = "The database server cannot be reached."
    money = MONEY_SAFE
    hint = "The program keeps trying; check that PostgreSQL is running."


class StoreAway(StorageFailure):
    code = 5111
    summary = "The object store cannot be reached."
    hint = "Look at AWS_ENDPOINT, AWS_REGION and the proxy variables; then try again."


class StoreRefused(StoreAway):
    code = 5114
    summary = "The object store does not let us in."
    hint = "Set valid credentials in the AWS_* variables, then start again."


class BucketMissing(StoreAway):
    code = 5115
    summary = "There is no such bucket at that address."
    hint = "Look at the bucket's name, AWS_ENDPOINT and AWS_REGION."


class StoreFailed(StoreAway):
    code = 5116
    summary = "The object store has a fault of its own."
    hint = "Try again later; its operator can say more."


class ReadingStopped(StorageFailure):
    code = 5117
    summary = "A long reading was stopped, because SQLite's log beside it grew beyond its limit."
    money = MONEY_SAFE
    hint = "Nothing was changed. Repeat it when the server has less to do, or use PostgreSQL."


class PoolerUnfit(StorageFailure):
    code = 5113
    summary = "The pooler before PostgreSQL does not keep sessions (transaction mode?)."
    hint = "Set its pool_mode to session, or connect to PostgreSQL itself."


class ClockInDoubt(StorageFailure):
    code = 5112
    summary = "The machine's clock has jumped; deadlines wait and nothing is deleted."
    money = MONEY_SAFE
    hint = (
        "Set the clock right. If it is right, run `veilmart broker clock confirm`, "
        "or start the merchant again."
    )
