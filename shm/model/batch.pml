/*
 * Batches: put_many and get_many on a bounded queue, each side asleep on a word of its own.  A
 * batch wakes the other side once, at its end, for all that it did.  So if it has to sleep half-way
 * it must wake them first, for what it has done so far: pay before you sleep.
 *
 * CAP            messages that the queue holds
 * NP PUTS PUTB   producers, messages per producer, and per put_many
 * NC GETS GETB   consumers, messages per consumer, and per get_many, which waits for so many
 * CHAIN          a batch wakes one sleeper; whoever gets what it wanted and sees that there is
 *                more wakes the next.  Without: a batch wakes as many as it has things for
 * FLAW_PAY=1     a producer sleeps without paying
 * FLAW_PAY=2     a consumer does
 * Checked: when nothing can move any more, nobody sleeps who could go on.
 */
#ifndef CAP
#define CAP 2
#endif
#ifndef NP
#define NP 1
#endif
#ifndef PUTS
#define PUTS 3
#endif
#ifndef PUTB
#define PUTB 3
#endif
#ifndef NC
#define NC 1
#endif
#ifndef GETS
#define GETS 3
#endif
#ifndef GETB
#define GETB 1
#endif
#define GETTERS 0                          /* sides; each sleeps on the word of its number */
#define PUTTERS 1
#define WORDS 2
#if NP>NC
#define SLEEPERS NP
#else
#define SLEEPERS NC
#endif
#define S(x) d_step { x }
#include "wake.pml"

byte q;
byte want[2];                              /* on each side, those that are not done */

#define CAN(side_) ((side_)==GETTERS -> q>0 : q<CAP)
#define ONE S( if :: CAN(side) -> q = (side==GETTERS -> q-1 : q+1); got=1 :: else -> got=0 fi )
#ifdef CHAIN
#define MANY 1
#else
#define MANY owed
#endif

proctype Worker(bit side; byte me; byte todo; byte size) {
  WAKE_VARS; byte e, left, owed;
  do
  :: (todo>0) ->
     left = (todo<size -> todo : size);
     todo = todo-left;
     do
     :: (left>0) ->
        ONE;
        if
        :: !got ->
#ifdef FLAW_PAY
           if
           :: (owed>0 && side==(FLAW_PAY==1 -> GETTERS : PUTTERS)) -> wake(1-side, MANY); owed=0
           :: else
           fi;
#else
           if :: (owed>0) -> wake(1-side, MANY); owed=0 :: else fi;
#endif
           S( F[side] = F[side] | 1; e = F[side] );
           ONE;                            /* look again */
           if
           :: !got ->
              S( if :: (F[side]==e) -> SLEEPS(side,me)=1 :: else fi );
end_sleep:    (SLEEPS(side,me)==0)
           :: else
           fi;
           e=0
        :: else
        fi;
        if
        :: got -> got=0; left--; owed++;
#ifdef CHAIN
           S( got = CAN(side) );
           if :: got -> got=0; wake(side, 1) :: else fi
#endif
        :: else
        fi
     :: else -> break
     od;
     wake(1-side, MANY); owed=0
  :: else -> break
  od;
  want[side]--
}

proctype Monitor() {
  do
  :: timeout -> break
  od;
  assert(want[GETTERS]==0 || q==0);
  assert(want[PUTTERS]==0 || q==CAP)
}

init {
  byte a;
  atomic {
    want[PUTTERS]=NP; want[GETTERS]=NC;
    do :: (a<NP) -> run Worker(PUTTERS, a, PUTS, PUTB); a++ :: else -> break od;
    a=0;
    do :: (a<NC) -> run Worker(GETTERS, a, GETS, GETB); a++ :: else -> break od;
    run Monitor()
  }
}
