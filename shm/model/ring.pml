/*
 * The shared-memory queue: a ring of cells that name blocks, without locks, which survives the
 * death of any process at any step.  words.pml has the words and what watches them, operations.pml
 * and join.pml what a client does, and this file who does it.
 *
 * Every load, store and compare-and-swap of a shared word is one step.  Instead of any step a
 * process may be killed: it loses all private state, is recovered under its lock, and is then
 * reborn *with the same id*, so that the reuse of ids is always tried.
 *
 * Switches (spin -D):
 *   NP MPP    producers and messages per producer         NA NM  consumers, auto / manual ack
 *   GETS      try_get attempts per consumer               NREC   recoverers
 *   N MAXS    cells, maxsize      NR  redelivery cells    M      blocks
 *   KILLS RKILLS  deaths of clients / of recoverers       CLOSER one close() at any time
 *   NACKS     how many nacks there may be in all
 *   TTR       manual deliveries are leases, which a third party may end while the consumer lives;
 *             TTR=2: with and without a time limit, as each consumer likes
 *   TOUCH     (with TTR) a consumer may set a later deadline, which then never passes
 *   GROW      an unbounded queue: a full segment (ring 0, N cells) is left through a signpost for
 *             the next one (ring 2, N2 cells), which is the last and an ordinary ring
 *   LATE      put claims a block only when it has found room, as it does unless the block is lent
 *   JOIN      somebody asks whether there is an unfinished message
 *   BACK      (with JOIN) an item that is an open task at first is put back into the queue
 *   SOLO      progress: at any time all but one process stop for ever
 * Variants of the algorithm that the code does not use:
 *   EAGER     an auto-ack consumer releases its cell, instead of leaving that to the next lap
 *   HOME      an auto-ack consumer hands the block back to the producer that it came from
 * Each of these takes one rule away, to see the check fail:
 *   FLAW_GEN       redelivery keeps the generation, and helpers read again after a failed CAS
 *   FLAW_REVAL     recovery does not look at the header again after the cell
 *   FLAW_EMPTY     get answers Empty without a second look at the redelivery ring
 *   FLAW_POS       the position word carries no generation
 *   FLAW_ORDER     the cell is released before the header is written
 *   FLAW_ACKSTORE  ack is a plain store although the lease may have expired
 *   FLAW_TOUCH=1   touch keeps the generation
 *   FLAW_TOUCH=2   touch writes the deadline before it knows that it still has the lease
 *   FLAW_HOME      a producer that takes a block back reads the header before the position
 *   FLAW_HELP      a producer waits for whoever took the cell of the lap before
 *   FLAW_LATE      (with LATE) ... and does not look at the cell again after it has claimed
 *   FLAW_JOIN=1    join looks at the blocks once, without looking at the tail before and after
 *   FLAW_JOIN=2    join does not look at the header again after a cell that names another block
 *   FLAW_JOIN=3    ... nor after a position of another generation
 *   FLAW_JOIN=4    join does not look at the tail of the redelivery ring as well
 */
#include "words.pml"
#include "operations.pml"
#include "join.pml"

proctype Producer(byte me) {
  LOCALS; byte k;
again:
  do
  :: (k<MPP) -> k++; put((me-1)*MPP+k)
  :: else -> break
  od;
  goto fin;
dying:
  (dead[me]==0) -> goto again;
fin:
  done++
}

proctype Consumer(byte me; bit manual) {
  LOCALS; byte k;
again:
  do
  :: (k<GETS) -> k++; get(manual)
  :: else -> break
  od;
  goto fin;
dying:
  (dead[me]==0) -> goto again;
fin:
  done++
}

#ifdef CLOSER
proctype Closer(byte me) {
  LOCALS;
again:
  close_queue();
  goto fin;
dying:
  (dead[me]==0) -> goto again;
fin:
  done++
}
#endif

#ifdef TTR
proctype Expirer(byte me) {                /* anybody may end a lease whose time is up */
  LOCALS;
again:
  b=0;
  do
  :: (b<M) -> expire(); b++
  :: else -> break
  od;
  b=0;
  goto fin;
dying:
  (dead[me]==0) -> goto again;
fin:
  done++
}
#endif

#ifdef BACK
proctype Backer(byte me) {
  LOCALS;
again:
  put_back(MSGS);
  goto fin;
dying:
  (dead[me]==0) -> goto again;
fin:
  done++
}
#endif

#ifdef JOIN
proctype Joiner(byte me) {
  LOCALS; byte t0, r0, back0;
  join()
}
#endif

#define DEAD(y) d_step { RUN && dead[y] && !lock[y]; x=y; lock[y]=1 }
proctype Recoverer(byte me) {
  LOCALS;
dying:                                     /* a dead recoverer is replaced by a new one */
  skip;
end_wait:
  if
  :: DEAD(1)
#if NCLI>1
  :: DEAD(2)
#endif
#if NCLI>2
  :: DEAD(3)
#endif
#if NCLI>3
  :: DEAD(4)
#endif
#if NCLI>4
  :: DEAD(5)
#endif
#if NCLI>5
  :: DEAD(6)
#endif
  fi;
  d_step { OPSTART };
  recover();
  d_step { RUN; dead[x]=0; lock[x]=0; x=0 };
  goto end_wait
}

#ifdef SOLO
proctype Freezer() {
  byte w=1;
  do :: (w<NCLI+NREC) -> w++ :: break od;
  skip;
  d_step { solo=w; steps=0 }
}
#endif

/* When everybody is done and every dead one recovered: is the shared state what it must be? */
proctype Final() {
  byte j, n, m, kk;
  (done==NCLI) -> d_step {
    j=1; do :: (j<=NCLI) -> assert(!dead[j]); j++ :: else -> break od;
    m=1;
    do                                     /* a committed, unconsumed message is in one cell */
    :: (m<=MSGS) ->
       n=0; j=0;
       do
       :: (j<CELLS) -> if :: (KIND(cell[j])==FULL && pay[BLK(cell[j])]==m) -> n++ :: else fi; j++
       :: else -> break
       od;
       assert(n==(mst[m]==1 -> 1 : 0));
       m++
    :: else -> break
    od;
    j=0;
    do                                     /* a block is free, or named by exactly one FULL cell */
    :: (j<M) ->
       n=0; kk=0;
       do
       :: (kk<CELLS) -> if :: (KIND(cell[kk])==FULL && BLK(cell[kk])==j) -> n++ :: else fi; kk++
       :: else -> break
       od;
#ifdef HOME                                /* ... or at home with its producer */
       assert((ST_(hdr[j])==CLAIMED && n==0 && gw[j]==gPRIV+HOWN(hdr[j])) ||
#else
       assert(
#endif
              (ST_(hdr[j])==FREE && n==0) ||
              (n==1 && (ST_(hdr[j])==CLAIMED || ST_(hdr[j])==REDEL)));
       j++
    :: else -> break
    od
  }
}

init {
  byte a;
  atomic {
    a=1;
    do :: (a<=NP) -> run Producer(a); a++ :: else -> break od;
    do :: (a<=NP+NA) -> run Consumer(a,0); a++ :: else -> break od;
    do :: (a<=NP+NA+NM) -> run Consumer(a,1); a++ :: else -> break od;
#ifdef CLOSER
    run Closer(a); a++;
#endif
#ifdef TTR
    run Expirer(a); a++;
#endif
#ifdef BACK
    run Backer(a); a++;
#endif
    do :: (a<=NCLI+NREC) -> run Recoverer(a); a++ :: else -> break od;
#ifdef JOIN
    run Joiner(a);
#endif
#ifdef SOLO
    run Freezer();
#else
    run Final();
#endif
  }
}
