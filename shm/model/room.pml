/*
 * Producers need two things: room in the queue, and a block of their size.  Each is waited for on a
 * word of its own.  A take wakes one of those who wait for room.  If that one then finds no block
 * and goes to wait for that, it leaves a room that others may wait for: it must pass the wake on.
 *
 * CAP       messages that the queue holds; it is full of small ones at first
 * SMALL BIG producers of small and of big messages, one message each
 * SPARE     free small blocks at first; of big ones there are enough
 * TAKES     messages that consumers take in all; each may keep its block for ever
 * TIMEOUTS  how many waits in all may end because the time is up
 * FLAW_PASS the wake is not passed on
 * Checked: when nothing can move any more, nobody sleeps who could go on.
 */
#ifndef CAP
#define CAP 1
#endif
#ifndef SMALL
#define SMALL 1
#endif
#ifndef BIG
#define BIG 1
#endif
#ifndef SPARE
#define SPARE 0
#endif
#ifndef TAKES
#define TAKES 1
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0
#endif
#define ROOM 0                             /* words, and answers of an attempt */
#define BLOCK 1
#define DONE 2
#define WORDS 2
#define SLEEPERS (SMALL+BIG)
#define S(x) d_step { x }
#include "wake.pml"

byte q = CAP, qsmall = CAP;                /* queued, and how many of these are small */
byte small = SPARE;                        /* free small blocks */
byte timeouts = TIMEOUTS;

#define ATTEMPT S( if \
  :: (q==CAP) -> lacks=ROOM \
  :: else -> if \
     :: (is_small && small==0) -> lacks=BLOCK \
     :: else -> q++; lacks=DONE; if :: is_small -> qsmall++; small-- :: else fi \
     fi \
  fi )

proctype Producer(byte me; bit is_small) {
  WAKE_VARS; byte e, lacks, waits; bit last;
  ATTEMPT;
  do
  :: (lacks==DONE || last) -> break
  :: else ->
     waits=lacks;
     do                                    /* until something else is lacking */
     :: S( F[waits] = F[waits] | 1; e = F[waits] );
        ATTEMPT;
        if :: (lacks!=waits || last) -> break :: else fi;
        S( if :: (F[waits]==e) -> SLEEPS(waits,me)=1 :: else fi );
end_sleep:
        if
        :: (SLEEPS(waits,me)==0) -> skip
        :: d_step { (timeouts>0); timeouts--; SLEEPS(waits,me)=0 } -> last=1
        fi;
        e=0;
        ATTEMPT;
        if :: (lacks!=waits) -> break :: else fi
     od;
     e=0;
#ifndef FLAW_PASS
     if :: (waits==ROOM && lacks==BLOCK) -> wake(ROOM, 1) :: else fi
#endif
  od
}

proctype Consumer() {
  WAKE_VARS; byte k; bit was;
  do
  :: (k<TAKES) ->
     k++;
end_take:
     d_step { (q>0); if :: (qsmall>0) -> qsmall--; was=1 :: (q>qsmall) -> was=0 fi; q-- };
     wake(ROOM, 1);
     if
     :: skip                               /* it is at work on that message for ever */
     :: was -> S( small++ ); wake(BLOCK, SLEEPERS)
     fi;
     was=0
  :: else -> break
  od
}

/* somebody sleeps on word w_ */
#define SOME(w_,from_,to_) \
  i=from_; do :: (i<to_) -> if :: SLEEPS(w_,i) -> found=1 :: else fi; i++ :: else -> break od

proctype Monitor() {
  byte i; bit found;
  do
  :: timeout -> break
  od;
  atomic {
    if
    :: (q<CAP) ->
       SOME(ROOM, SMALL, SLEEPERS);
       if :: (small>0) -> SOME(ROOM, 0, SMALL); SOME(BLOCK, 0, SMALL) :: else fi;
       assert(!found)
    :: else
    fi
  }
}

init {
  byte a;
  atomic {
    do :: (a<SMALL) -> run Producer(a, 1); a++ :: else -> break od;
    do :: (a<SLEEPERS) -> run Producer(a, 0); a++ :: else -> break od;
    run Consumer();
    run Monitor()
  }
}
