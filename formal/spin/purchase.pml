/* One order between wallet, broker and merchant (docs/protocol/09-purchase.md, 9.2 to 9.4).

   The three state tables are in tables.pml, generated from src/veilmart/protocol. This file adds
   what happens around them:

   - A request is delivered and answered, or lost, or delivered while its answer is lost. A broker
     that dies before a commit is the first kind of loss, after it the second. LOSSES bounds both.
   - A request that was ever sent may be delivered again at any later time. DUPLICATES bounds this.
   - The wallet dies between any two steps and keeps only what it stored. CRASHES bounds this. It
     may also be gone for ever, and the merchant may be out of reach at any time, also for ever.
   - Every deadline passes at an arbitrary moment, and is noticed at any moment after it. Broker and
     merchant have clocks of their own. The wallet knows when pay_by has passed at the broker's,
     because it waits for the largest difference of clocks (page 10).
   - The merchant may be crooked, so that its W or a segment is evidence. It may sign a refund at any
     time. It may have earned enough before to give money back after settlement, or not.

   Every wait for a change is a guard. So a run cannot go in circles unless the protocol does, and
   `ended` is reached when nothing can happen any more.

   With -DTOKEN a token pays for the order (page 11, 11.5) instead of an account. */

#ifndef LOSSES
#define LOSSES 2
#define DUPLICATES 1
#define CRASHES 1
#endif

#include "tables.pml"

#define AMOUNT 3
#define FEE 1

/* What is stored: a crash does not change it. */
byte wallet = wallet_is_CONFIRMING, invoice = invoice_is_OFFERED, order = order_is_OFFERED;
bool file_there = false, exchanged = false;

/* Double entry (9.6). earned_before: what the merchant had from other orders. */
byte customer = AMOUNT, escrow = 0, merchant_account = 0, fees = 0, earned_before = 0;
byte charges = 0, refunds = 0, settlements = 0;

/* Deadlines that have passed, by the broker's clock. */
bool pay_over = false, deliver_over = false, settle_over = false;

/* What the claims speak of. */
bool key_out = false, dispute_won = false, refund_signed = false, ended = false, fits = true;
bool crooked = false, gone = false, merchant_away = false;

/* The broker's reports to the merchant, in order, and how many it has applied. */
byte reports[2], reports_written = 0, reports_applied = 0;

/* Operations answered once are answered the same again (page 5, 5.6). */
#define PAY 0
#define SEGMENT 1
#define RELEASE 2
#define ACKNOWLEDGE 3
#define CANCEL 4
#define STATUS 5
#define DISPUTE 6
#define OPERATIONS 7
bool sent[OPERATIONS], stored[OPERATIONS];

#define NOTHING 255
#define LOST 0
#define DONE 1
#define REFUSED 2
#define EXCHANGED 3
byte losses = LOSSES, duplicates = DUPLICATES, crashes = CRASHES;

/* What the wallet knows and does not store. asking: which question of CONFIRMING comes next.
   doubt: WrongOrderState came, so the status is asked for. seen: the status that changed nothing. */
byte asking = PAY, seen = NOTHING;
bool doubt = false, too_late = false, recalled = false;

#define WALLET_ENDED \
  (wallet == wallet_is_DONE || wallet == wallet_is_REFUNDED || too_late || \
   (wallet == wallet_is_ABANDONED && recalled))

/* Scratch of atomic steps; cleared at the end of each, so that it makes no states. */
byte asked = 0, answer = 0, status = 0, event = 0, effect = 0;
bool possible = false, heard = false, first_came = false;
#define LATER 16

/* ---- claims: looked at after every step. The number says which one a violated assertion is. ------ */

/* ONLY: the number of the one claim to look at; 0 means all. */
#ifndef ONLY
#define ONLY 0
#endif
#define OTHER(number) (ONLY != 0 && ONLY != number)
#define TOTAL (customer + escrow + merchant_account + fees)

inline check() {
  /*@ claim 1 conserved: money is neither made nor lost, and no account goes below zero */
  assert(OTHER(1) || TOTAL == AMOUNT + earned_before && customer <= AMOUNT && escrow <= AMOUNT || 1 == 0);
  /*@ claim 2 once: an order is charged, refunded and settled once at most */
  assert(OTHER(2) || charges <= 1 && refunds <= charges && settlements <= charges || 2 == 0);
  /*@ claim 3 key_or_money: key out and money back never both without a dispute won or a signed refund */
  assert(OTHER(3) || !(key_out && refunds > 0) || dispute_won || refund_signed || 3 == 0);
  /*@ claim 4 no_pay_without_key: the merchant is paid only for a key that is out */
  assert(OTHER(4) || settlements == 0 || key_out || 4 == 0);
  /*@ claim 5 no_key_without_pay: the key is out only for an order that was paid */
  assert(OTHER(5) || !key_out || charges == 1 || 5 == 0);
  /*@ claim 6 invoice_ends: every invoice ends, whichever party is gone, and escrow is empty */
  assert(OTHER(6) || !ended || escrow == 0 && (invoice == invoice_is_SETTLED ||
  invoice == invoice_is_REFUNDED || invoice == invoice_is_EXPIRED) || 6 == 0);
  /*@ claim 7 order_ends: the merchant's order ends, unless it is out of reach for ever */
  assert(OTHER(7) || !ended || merchant_away || order == order_is_SETTLED ||
  order == order_is_REFUNDED || order == order_is_EXPIRED || 7 == 0);
  /*@ claim 8 wallet_ends: the wallet's order ends, unless the wallet is gone for ever */
  assert(OTHER(8) || !ended || gone || WALLET_ENDED || 8 == 0);
  /*@ claim 9 books_agree: broker and merchant agree about the outcome */
  assert(OTHER(9) || !ended || merchant_away ||
  ((invoice != invoice_is_SETTLED || order == order_is_SETTLED) &&
      (invoice != invoice_is_REFUNDED || order == order_is_REFUNDED) &&
      (invoice != invoice_is_EXPIRED || order == order_is_EXPIRED)) || 9 == 0);
  /*@ claim 10 goods_or_money: who was charged has the file or the money, unless gone or late to dispute */
  assert(OTHER(10) || !ended || gone || too_late || file_there || refunds == charges || 10 == 0);
  /*@ claim 11 tables_fit: no report and no answer finds a row missing in the receiver's table */
  assert(OTHER(11) || fits || 11 == 0);
}

inline clear() {
  check();
  asked = 0; answer = 0; status = 0; event = 0; effect = 0; possible = false; heard = false;
  first_came = false
}

/* ---- the broker: each of these is one transaction --------------------------------------------- */

inline write_report(event) {
  reports[reports_written] = event;
  reports_written++
}

inline move_money() {
  if
  :: effect == effect_do_HOLD -> customer = customer - AMOUNT; escrow = escrow + AMOUNT; charges++
  :: effect == effect_do_REFUND ->
       escrow = escrow - AMOUNT; customer = customer + AMOUNT; refunds++;
       if
       :: key_out -> write_report(order_on_REPORT_RETURNED)
       :: else -> write_report(order_on_REPORT_REFUNDED)
       fi
  :: effect == effect_do_SETTLE ->
       escrow = escrow - AMOUNT; merchant_account = merchant_account + AMOUNT - FEE;
       fees = fees + FEE; settlements++;
       write_report(order_on_REPORT_SETTLED)
  :: effect == effect_do_GIVE_BACK ->
       merchant_account = merchant_account - AMOUNT; customer = customer + AMOUNT; refunds++;
       write_report(order_on_REPORT_RETURNED)
  :: else
  fi;
  effect = effect_do_NONE
}

/* One transaction: the step that the table allows, its money and its report. */
inline book(event) {
  invoice_step(event);
  if
  :: possible -> answer = DONE; move_money()
  :: else -> answer = REFUSED
  fi
}

#define SEGMENTS_SERVED \
  (invoice == invoice_is_HELD || invoice == invoice_is_RELEASED || invoice == invoice_is_SETTLED)

/* What a request means for the invoice; NOTHING where it needs no step or is refused at once. */
inline broker_reads(operation) {
  event = NOTHING; answer = REFUSED;
  if
  :: operation == STATUS -> answer = DONE; status = invoice
  :: operation == SEGMENT && SEGMENTS_SERVED && merchant_away -> answer = LOST
  :: operation == SEGMENT && SEGMENTS_SERVED && !merchant_away ->
       order_step(order_on_SEGMENT_ASKED);
       answer = (possible -> DONE : REFUSED)
  :: operation != SEGMENT && operation != STATUS && stored[operation] ->
       answer = (operation == PAY && exchanged -> EXCHANGED : DONE)
  :: operation == PAY && !stored[PAY] && !pay_over && invoice == invoice_is_OFFERED ->
       event = invoice_on_PAY
#ifdef TOKEN
  /* `spend` (11.5): a token that comes too late is taken and answered with its refund token. */
  :: operation == PAY && !stored[PAY] && (pay_over || invoice != invoice_is_OFFERED) ->
       answer = EXCHANGED; exchanged = true; charges++; stored[PAY] = true;
#ifndef WITHOUT_EXCHANGE
       refunds++
#endif
#endif
  :: operation == RELEASE && !stored[RELEASE] && !(invoice == invoice_is_HELD && deliver_over) ->
       event = invoice_on_RELEASE
  :: operation == ACKNOWLEDGE && !stored[ACKNOWLEDGE] -> event = invoice_on_ACKNOWLEDGE
  :: operation == CANCEL && !stored[CANCEL] -> event = invoice_on_CANCEL
  :: operation == DISPUTE && !stored[DISPUTE] && crooked && !settle_over ->
       event = invoice_on_DISPUTE_WON
  :: else
  fi
}

/* The payment is committed: the merchant is asked for the first segment, which comes in time to go
   with the answer or does not (page 5, 5.4). */
inline first_segment() {
  if
  :: !merchant_away -> order_step(order_on_SEGMENT_ASKED); first_came = possible
  :: !merchant_away -> order_step(order_on_SEGMENT_ASKED)
  :: true
  fi
}

inline broker_takes(operation) {
  broker_reads(operation);
  if
  :: event != NOTHING ->
       book(event);
       stored[operation] = answer == DONE;
       if
       :: operation == PAY && answer == DONE -> first_segment()
       :: else
       fi;
       key_out = key_out || (operation == RELEASE && answer == DONE);
       dispute_won = dispute_won || (operation == DISPUTE && answer == DONE)
  :: else
  fi
}

/* Deadlines pass in any order; the sweeper notices them sooner or later. */
proctype clock() {
end:
  do
  :: !pay_over -> pay_over = true
  :: !deliver_over && charges > 0 -> deliver_over = true
  :: !settle_over && key_out -> settle_over = true
  :: atomic {
       (pay_over && invoice == invoice_is_OFFERED) || (deliver_over && invoice == invoice_is_HELD) ||
       (settle_over && invoice == invoice_is_RELEASED) ->
       if
       :: invoice == invoice_is_OFFERED -> event = invoice_on_PAY_DEADLINE
       :: invoice == invoice_is_HELD -> event = invoice_on_DELIVER_DEADLINE
       :: invoice == invoice_is_RELEASED -> event = invoice_on_SETTLE_DEADLINE
       fi;
       book(event);
       clear() }
  od
}

/* Reports go out in order, may be repeated, and are applied once by their sequence (page 6). */
proctype reporter() {
end:
  do
  :: atomic { reports_applied < reports_written && !merchant_away ->
       order_step(reports[reports_applied]);
       fits = fits && possible;
       reports_applied++;
       clear() }
  od
}

/* ---- the network repeats what it has seen ------------------------------------------------------ */

proctype network() {
end:
  do
  :: atomic { duplicates > 0 && sent[PAY] ->
       if
       :: sent[PAY] -> asked = PAY
       :: sent[SEGMENT] -> asked = SEGMENT
       :: sent[RELEASE] -> asked = RELEASE
       :: sent[ACKNOWLEDGE] -> asked = ACKNOWLEDGE
       :: sent[CANCEL] -> asked = CANCEL
       :: sent[DISPUTE] -> asked = DISPUTE
       fi;
       duplicates--;
       broker_takes(asked);
       clear() }
  od
}

/* ---- the merchant ------------------------------------------------------------------------------- */

#ifdef WITHOUT_COVER
#define COVERED true
#else
#define COVERED !(invoice == invoice_is_SETTLED && merchant_account < AMOUNT)
#endif

proctype merchant() {
  bool looked = false, went = false, refunded = false;
end:
  do
  :: atomic { !looked -> looked = true; order_step(order_on_PAY_DEADLINE); clear() }
  :: atomic { !went -> went = true; merchant_away = true }
  :: atomic { merchant_away -> merchant_away = false }
  /* A signed refund (page 12, 12.4). After settlement its balance has to cover it. */
  :: atomic { !refunded && COVERED ->
       refunded = true;
       book(invoice_on_MERCHANT_REFUND);
       refund_signed = answer == DONE;
       clear() }
  od
}

/* ---- the wallet ----------------------------------------------------------------------------------- */

inline forget() {
  asking = STATUS; doubt = false; seen = NOTHING
}

#define PAID_STATES \
  (status == invoice_is_HELD || status == invoice_is_RELEASED || status == invoice_is_SETTLED)

/* It waits for the merchant's segments as long as they may come, and, abandoned, for pay_by. */
#define WALLET_WAITS (!doubt && \
  ((wallet == wallet_is_CONFIRMING && asking == SEGMENT && merchant_away && SEGMENTS_SERVED) || \
   (wallet == wallet_is_ABANDONED && !pay_over && invoice != invoice_is_HELD)))

/* What the wallet asks next. CONFIRMING: 9.4. HELD: the key, or the money back while it may. */
inline wallet_asks() {
  if
  :: doubt -> asked = STATUS
  :: !doubt && wallet == wallet_is_CONFIRMING -> asked = asking
  :: !doubt && wallet == wallet_is_HELD -> asked = RELEASE
  :: !doubt && wallet == wallet_is_HELD -> asked = CANCEL
  :: !doubt && wallet == wallet_is_RELEASED && crooked -> asked = DISPUTE
  :: !doubt && wallet == wallet_is_DELIVERED -> asked = ACKNOWLEDGE
  /* A Pay that was still on its way may be carried out; until pay_by has passed it is cancelled. */
  :: !doubt && wallet == wallet_is_ABANDONED && invoice == invoice_is_HELD -> asked = CANCEL
  :: !doubt && wallet == wallet_is_ABANDONED && invoice != invoice_is_HELD -> asked = STATUS
  fi
}

/* Delivered and answered; or lost; or delivered, the answer lost; or the wallet dies before. */
inline ask() {
  sent[asked] = true;
  if
  :: heard = true
  :: losses > 0 -> losses--; heard = false
  :: losses > 0 -> losses--; heard = false; asked = asked + LATER
  :: crashes > 0 -> crashes--; heard = false
  fi;
  if
  :: heard || asked >= LATER -> asked = asked % LATER; broker_takes(asked)
  :: else
  fi;
  if
  :: !heard -> answer = LOST
  :: else
  fi
}

/* What the answer means: the event of the wallet's table, or NOTHING. */
inline wallet_hears() {
  event = NOTHING;
  if
  :: answer == LOST -> forget()
  :: wallet == wallet_is_ABANDONED && answer != LOST -> recalled = answer == DONE
  :: answer == DONE && asked == STATUS && status == invoice_is_REFUNDED &&
     wallet != wallet_is_ABANDONED -> event = wallet_on_REFUND_SEEN
  :: answer == DONE && asked == STATUS && status != invoice_is_REFUNDED && doubt ->
       too_late = status == invoice_is_SETTLED && wallet == wallet_is_RELEASED;
       doubt = false; seen = status
  :: answer == DONE && asked == STATUS && status != invoice_is_REFUNDED && !doubt &&
     wallet == wallet_is_CONFIRMING ->
       asking = PAY;
#ifndef TOKEN
       /* An interrupted order is never paid without the person; a token that was chosen is. */
       event = (PAID_STATES -> NOTHING : wallet_on_OFFER_LOST)
#endif
  :: answer == EXCHANGED && wallet != wallet_is_ABANDONED -> event = wallet_on_REFUND_SEEN
  :: answer == DONE && asked == PAY && first_came -> event = wallet_on_PAID
  :: answer == DONE && asked == PAY && !first_came -> asking = SEGMENT
  :: answer == REFUSED && asked == PAY -> asking = STATUS
  :: answer == DONE && asked == SEGMENT -> event = wallet_on_PAID
  :: answer == DONE && asked == RELEASE -> event = wallet_on_KEY_CAME
  :: answer == DONE && asked == CANCEL && wallet == wallet_is_HELD -> event = wallet_on_REFUND_SEEN
  :: answer == DONE && asked == DISPUTE -> event = wallet_on_REFUND_SEEN
  :: answer == DONE && asked == ACKNOWLEDGE -> event = wallet_on_SETTLED
  :: answer == REFUSED && asked != PAY && wallet != wallet_is_ABANDONED -> doubt = true
  fi
}

proctype wallet_program() {
end:
  do
  :: atomic { !gone && !WALLET_ENDED -> gone = true }
  :: atomic { !gone && !WALLET_ENDED && !WALLET_WAITS && (doubt || invoice != seen) ->
       if
       :: wallet == wallet_is_RELEASED && !crooked && !doubt ->
            file_there = true; event = wallet_on_FILE_READY
       :: wallet_asks(); ask(); wallet_hears()
       fi;
       if
       :: event != NOTHING -> wallet_step(event); fits = fits && possible; forget()
       :: else
       fi;
       clear() }
  od
}

proctype ending() {
  atomic { timeout -> ended = true; clear() }
}

init {
  atomic {
    if
    :: crooked = true
    :: crooked = false
    fi;
    if
    :: earned_before = AMOUNT; merchant_account = AMOUNT
    :: earned_before = 0
    fi;
    run clock(); run reporter(); run network(); run merchant(); run wallet_program(); run ending()
  }
}
