"""One tree of errors, one code each.

The families answer the question whose fault it was: ours (`Misuse`), the person's request
(`CannotDo`), a peer that broke the protocol (`PeerFault`), a peer that was not to be reached
(`NetworkFailure`), a peer's rule that said no (`Refusal`, the family made to cross the
wire), a trust decision (`TrustFailure`) or the machine's disk and database (`StorageFailure`).

Every concrete error has a `code` (unique, never reused; a test asserts it), a sentence on what
happened, one on whether money moved, and one on what to do next.
"""

from veilmart.errors.disputes import (
    JudgedWrongly as JudgedWrongly,
    JudgementInvalid as JudgementInvalid,
    KeyNotSigned as KeyNotSigned,
    NothingToDispute as NothingToDispute,
)
from veilmart.errors.families import (
    DETAIL_MAX_CHARACTERS as DETAIL_MAX_CHARACTERS,
    MONEY_SAFE as MONEY_SAFE,
    NO_MONEY as NO_MONEY,
    CannotDo as CannotDo,
    Misuse as Misuse,
    NetworkFailure as NetworkFailure,
    PeerFault as PeerFault,
    Refusal as Refusal,
    StorageFailure as StorageFailure,
    TrustFailure as TrustFailure,
    VeilmartError as VeilmartError,
)
from veilmart.errors.network import (
    BrokerUnreachable as BrokerUnreachable,
    MerchantUnreachable as MerchantUnreachable,
    ProxyFailed as ProxyFailed,
    ServerBusy as ServerBusy,
    ServerFault as ServerFault,
    SessionUnknown as SessionUnknown,
)
from veilmart.errors.peer import (
    BadPublicValue as BadPublicValue,
    ContentKeyInvalid as ContentKeyInvalid,
    HandshakeFailed as HandshakeFailed,
    MalformedMessage as MalformedMessage,
    MessageTooLarge as MessageTooLarge,
    OfferMismatch as OfferMismatch,
    OpenFailed as OpenFailed,
    PaddingInvalid as PaddingInvalid,
    PieceMismatch as PieceMismatch,
    SignatureInvalid as SignatureInvalid,
    TokenKeyInvalid as TokenKeyInvalid,
    TooSlow as TooSlow,
    UnexpectedAnswer as UnexpectedAnswer,
    UnknownSuite as UnknownSuite,
)
from veilmart.errors.refusals import (
    AccountDisabled as AccountDisabled,
    AmountDiffers as AmountDiffers,
    AuthenticationFailed as AuthenticationFailed,
    DescriptorUnknown as DescriptorUnknown,
    InsufficientBalance as InsufficientBalance,
    InvitationInvalid as InvitationInvalid,
    LoginRequired as LoginRequired,
    MerchantSuspended as MerchantSuspended,
    MerchantUnknown as MerchantUnknown,
    NameTaken as NameTaken,
    NotSettled as NotSettled,
    NotYourBroker as NotYourBroker,
    OfferExpired as OfferExpired,
    OperationConflict as OperationConflict,
    OrderKeyInvalid as OrderKeyInvalid,
    OrderUnknown as OrderUnknown,
    PaymentOutstanding as PaymentOutstanding,
    ProductGone as ProductGone,
    ProductOut as ProductOut,
    RegistrationClosed as RegistrationClosed,
    SegmentUnknown as SegmentUnknown,
    TooManyAttempts as TooManyAttempts,
    TooManyOpen as TooManyOpen,
    UnknownRequestNumber as UnknownRequestNumber,
    VoucherSpent as VoucherSpent,
    VoucherUnknown as VoucherUnknown,
    WrongOrderState as WrongOrderState,
)
from veilmart.errors.registry import (
    by_code as by_code,
    from_wire as from_wire,
    walk as walk,
)
from veilmart.errors.requests import (
    AloneOnShelf as AloneOnShelf,
    AlreadyInitialised as AlreadyInitialised,
    AlreadyOwned as AlreadyOwned,
    BackupInvalid as BackupInvalid,
    BackupOlder as BackupOlder,
    BadAmount as BadAmount,
    BadArgument as BadArgument,
    BadLink as BadLink,
    BadName as BadName,
    BadSourceFile as BadSourceFile,
    CodeMistyped as CodeMistyped,
    Declined as Declined,
    HomeInUse as HomeInUse,
    Interrupted as Interrupted,
    NeedsConfirmation as NeedsConfirmation,
    NoSuchAccount as NoSuchAccount,
    NoSuchCode as NoSuchCode,
    NoSuchMerchant as NoSuchMerchant,
    NoSuchOrder as NoSuchOrder,
    NoSuchProduct as NoSuchProduct,
    NoSuchProof as NoSuchProof,
    NoSuchRequest as NoSuchRequest,
    NoSuchShelf as NoSuchShelf,
    NoSuchTokenKey as NoSuchTokenKey,
    NotAPricePoint as NotAPricePoint,
    NotInitialised as NotInitialised,
    NotLoggedIn as NotLoggedIn,
    PortInUse as PortInUse,
    ProofInvalid as ProofInvalid,
    ReceiptInvalid as ReceiptInvalid,
    ShelfTooSmall as ShelfTooSmall,
    SourceChanged as SourceChanged,
    WeakPassword as WeakPassword,
    WordCountWrong as WordCountWrong,
    WordsMistyped as WordsMistyped,
    WordUnknown as WordUnknown,
)
from veilmart.errors.storage import (
    CannotWrite as CannotWrite,
    DatabaseAway as DatabaseAway,
    DatabaseFailure as DatabaseFailure,
    DiskFull as DiskFull,
    LedgerViolated as LedgerViolated,
    SegmentDamaged as SegmentDamaged,
    StoreAway as StoreAway,
    StoreDamaged as StoreDamaged,
)
from veilmart.errors.tokens import (
    DeadlinesTooLong as DeadlinesTooLong,
    EvidenceInvalid as EvidenceInvalid,
    NotRefunded as NotRefunded,
    RefundKeyUnfit as RefundKeyUnfit,
    TokenInvalid as TokenInvalid,
    TokenKeyEnded as TokenKeyEnded,
    TokenKeysForked as TokenKeysForked,
    TokenKeyUnknown as TokenKeyUnknown,
    TokenSpent as TokenSpent,
    TooLateToRefund as TooLateToRefund,
    ViewsForked as ViewsForked,
    WalletReplaced as WalletReplaced,
)
from veilmart.errors.trust import (
    DescriptorExpired as DescriptorExpired,
    DescriptorForked as DescriptorForked,
    FingerprintChanged as FingerprintChanged,
    NotPinned as NotPinned,
    SerialLower as SerialLower,
)
