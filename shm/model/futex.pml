/*
 * Waiting on a futex word.  The ring is a counter q here: its operations are linearizable, which is
 * what ring.pml is for.  Consumers sleep for messages; producers that sleep for room are the same
 * code with the roles exchanged.
 *
 * NP PUTS  producers and puts per producer                NC  consumers
 * BATCH    messages that a put commits before its single wake; WAKEN how many that wake may wake
 * CHAIN    a consumer that leaves messages behind wakes the next sleeper
 * TAKES    how many messages one consumer takes before it goes away (default: all)
 * KILLS    deaths at any step; RECOVER: each is followed by "advance the sequence, wake all"
 * TIMEOUTS how many waits in all may end because the time is up, woken or not; the waiter looks
 *          once more and leaves
 * Ways to lose a wake, besides those of wake.pml:
 * FLAW_RECWAKE  recovery wakes all without advancing the sequence
 * FLAW_EARLY    a waiter whose time is up leaves without another look
 * FLAW_QUARTER  producers wake only when at least that much is there
 * FLAW_PICKY    waiter 0 waits for something else on the same word (a block, not a free cell)
 * FLAW_FENCE    a producer's message is seen by others only after it has looked at the flag, as it
 *               is when a plain store and not a sequentially consistent CAS publishes it
 * Checked: when nothing can move any more, no live consumer sleeps while messages are there.
 */
#ifndef NP
#define NP 2
#endif
#ifndef NC
#define NC 2
#endif
#ifndef PUTS
#define PUTS 2
#endif
#ifndef BATCH
#define BATCH 1
#endif
#ifndef WAKEN
#define WAKEN 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0
#endif
#ifndef TAKES
#define TAKES (NP*PUTS*BATCH)
#endif
#define WORDS 1
#define SLEEPERS NC

#define ZERO WAKE_ZERO; e=0
#define CANDIE d_step { kills>0; kills--; need_recovery=1; ZERO }
#define S(x) if :: d_step { x } :: CANDIE -> goto dying fi
#include "wake.pml"

byte q;
#ifdef FLAW_PICKY
#define CANUSE (me!=0)
byte alive = NC-1;
#else
#define CANUSE true
byte alive = NC;                           /* consumers that still want messages */
#endif
byte kills = KILLS, timeouts = TIMEOUTS;
bit need_recovery;

#define TAKE S( if :: (q>0 && CANUSE) -> q--; got=1 :: else -> got=0 fi )

proctype Producer() {
  WAKE_VARS; byte e, k;
  do
  :: (k<PUTS) ->
#ifdef FLAW_FENCE
     S( v=F[0] );
#endif
     S( q = q+1 );
#if BATCH>1
     S( q = q+(BATCH-1) );
#endif
#ifdef FLAW_QUARTER
     S( got = (q>=FLAW_QUARTER) );
     if :: got -> got=0; wake(0, WAKEN) :: else fi;
#else
     wake(0, WAKEN);
#endif
     k++
  :: else -> break
  od;
dying: skip
}

proctype Consumer(byte me) {
  WAKE_VARS; byte e, k; bit last;
  do
  :: (k<TAKES) ->
     TAKE;
     if
     :: (!got && last) -> break
     :: (!got && !last) ->
        S( F[0] = F[0] | 1; e = F[0] );
        TAKE;                                                  /* look again */
        if
        :: !got ->
           S( if :: (F[0]==e) -> SLEEPS(0,me)=1 :: else fi );  /* FUTEX_WAIT */
end_sleep: if
           :: (SLEEPS(0,me)==0) -> skip
           :: d_step { (timeouts>0); timeouts--; SLEEPS(0,me)=0 } ->   /* woken or not */
#ifdef FLAW_EARLY
              break
#else
              last=1
#endif
           :: d_step { (SLEEPS(0,me)==1 && kills>0); kills--; need_recovery=1; SLEEPS(0,me)=0;
                       ZERO } -> goto dying
           fi;
           e=0
        :: else
        fi
     :: else
     fi;
     e=0;
     if
     :: got -> k++; got=0;
#ifdef CHAIN
        S( got = (q>0) );
        if :: got -> got=0; wake(0, 1) :: else fi
#endif
     :: else
     fi
  :: (k>=TAKES) -> break
  od;
dying:
  alive--
}

#ifdef RECOVER
proctype Recovery() {
  byte v;
end_r:
  do
  :: d_step { (need_recovery==1); need_recovery=0;
#ifndef FLAW_RECWAKE
     F[0] = F[0] + 2;                      /* the sequence, before waking */
#endif
     skip };
     v=0;
     do :: (v<NC) -> d_step { SLEEPS(0,v)=0; v++ } :: else -> break od; v=0
  od
}
#endif

proctype Monitor() {
  do
  :: timeout -> break
  od;
  assert(q==0 || alive==0)
}

init {
  byte a;
  atomic {
    do :: (a<NP) -> run Producer(); a++ :: else -> break od;
    a=0;
    do :: (a<NC) -> run Consumer(a); a++ :: else -> break od;
#ifdef RECOVER
    run Recovery();
#endif
    run Monitor()
  }
}
