/*
 * The words in shared memory, the ghosts that watch them, and what a step is.
 *
 * Ghosts (where each block is, commit numbers, what was seen empty or full) change in the same step
 * as the word that they describe.  The algorithm never reads them, but for hints, see there.
 */
#ifndef NP
#define NP 2
#endif
#ifndef MPP
#define MPP 1
#endif
#ifndef NA
#define NA 1
#endif
#ifndef NM
#define NM 1
#endif
#ifndef GETS
#define GETS 1
#endif
#ifndef NREC
#define NREC 1
#endif
#ifndef N
#define N 2
#endif
#ifndef MAXS
#define MAXS 1
#endif
#ifndef M
#define M 3
#endif
#ifndef NR
#define NR M                               /* with a cell for each block it is never full */
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef RKILLS
#define RKILLS 0
#endif
#ifndef NACKS
#define NACKS 1
#endif
#ifndef BOUND
#define BOUND 40                           /* own steps of a lone process for one operation */
#endif
#ifdef GROW
#ifndef N2
#define N2 4
#endif
#else
#define N2 0
#endif
#define NC   (NA+NM)
#ifdef CLOSER
#define NCL 1
#else
#define NCL 0
#endif
#ifdef TTR
#define NEX 1
#else
#define NEX 0
#endif
#ifdef BACK
#define NBA 1
#else
#define NBA 0
#endif
#define NCLI (NP+NC+NCL+NEX+NBA)               /* clients 1..NCLI own an identity */
#define MSGS (NP*MPP+NBA)

/* ---- cells: ring 0 is the main one, 1 that of redelivery, 2 the second segment ------------- */
#define EMPTY 0
#define FULL 1
#define TAKEN 2
#define END 3                              /* block 0: closed; else: go on in the next segment */
#define CELL(l,k,o,b) (((l)<<8)|((k)<<6)|((o)<<3)|(b))
#define LAP(c)  ((c)>>8)
#define KIND(c) (((c)>>6)&3)
#define OWN(c)  (((c)>>3)&7)
#define BLK(c)  ((c)&7)
#define SIGNPOST(c) (KIND(c)==END && BLK(c)!=0)
#define CLOSED(c)   (KIND(c)==END && BLK(c)==0)

#define CELLS   (N+NR+N2)
#define SZ(r)   ((r)==0 -> N : ((r)==1 -> NR : N2))
#define IX(r,p) (((r)==0 -> 0 : ((r)==1 -> N : N+NR)) + ((p) % SZ(r)))
#define LL(r,p) ((p)/SZ(r))
#define JUMP(r,p,c) ((LAP(c)-1)*SZ(r) + ((p) % SZ(r)) + 1)   /* behind what this cell has seen */
#ifdef GROW                                /* messages that a segment holds */
#define ROOM(r) ((r)==0 -> N-1 : N2-1)
#else
#define ROOM(r) MAXS
#endif

/* ---- blocks -------------------------------------------------------------------------------- */
#define FREE 0
#define CLAIMED 1
#define INFL 2
#define REDEL 3
#define LEASE 4                            /* in flight with a time limit */
#define HDR(g,s,o) (((g)<<6)|((s)<<3)|(o))
#define GEN(s)  ((s)>>6)
#define ST_(s)  (((s)>>3)&7)
#define HOWN(s) ((s)&7)
#ifdef FLAW_POS
#define POS(g,r,p) (1024|((r)<<4)|(p))
#else
#define POS(g,r,p) (1024|((g)<<6)|((r)<<4)|(p))
#endif
#define NONE 0
#define PGEN(w)  (((w)&1023)>>6)
#define PRING(w) (((w)>>4)&3)
#define PPOS(w)  ((w)&15)
/* does cell c say that block b was published at position p of ring r, and is not released? */
#define NAMES(c,r,p,b) (LAP(c)==LL(r,p) && (KIND(c)==FULL || KIND(c)==TAKEN) && BLK(c)==b)

short cell[CELLS];
short hdr[M];
short pos[M];
#ifdef TOUCH
#define SOON 0                             /* it may have passed whenever somebody looks */
#define LATE 1                             /* it will not pass */
bit   deadline[M];
#endif
byte  pay[M];                              /* payload: a message number 1..MSGS */
bit   dead[NCLI+1];
bit   lock[NCLI+1];

/* ---- ghosts -------------------------------------------------------------------------------- */
#define gFREE 0
#define gPRIV 8
#define gQUE  16
#define gHELD 24
#define gPEND 32
byte gw[M];                                /* where the block is + who has it */
byte mst[MSGS+1];                          /* 0 not committed, 1 committed, 2 consumed */
byte mseq[MSGS+1];                         /* commit number */
byte ncommit, ntake;                       /* true tail and head of the main ring */
byte nredel, nrtake;                       /* true tail and head of the redelivery ring */
byte q0, q1;                               /* queued in the main and in the redelivery ring */
byte emp, ful;                             /* bit i: it was empty / full during the call of i */
bit  closed;
byte done;
byte kills = KILLS;
byte rkills = RKILLS;
byte nacks = NACKS;
#ifdef GROW
bit  moved;
byte p0;                                   /* published in the first segment when it was left */
#else
#define moved 0
#define p0 0
#endif
#ifdef JOIN
byte unfinished = NBA;                     /* messages, and open tasks that will be such */
byte tasks = NBA;
bit  idle, busy;                           /* it was 0 / not 0 during the call of join */
#define MORE unfinished++; busy=1
#define LESS unfinished--; if :: (unfinished==0) -> idle=1 :: else fi
#else
#define MORE skip
#define LESS skip
#endif
#ifdef SOLO
byte solo;                                 /* 0: all run; else the only one that runs */
byte steps;                                /* of the lone process in this operation */
#define RUN ((solo==0) || (solo==me))
#define COUNT if :: solo!=0 -> steps++; assert(steps<BOUND) :: else fi
#define OPSTART RUN; steps=0
#else
#define RUN true
#define COUNT skip
#define OPSTART skip
#endif

#define INLAST (ncommit - (ntake>p0 -> ntake : p0))          /* queued in the second segment */
#ifdef GROW
#define ISFULL (moved && INLAST>=N2-1)
#else
#define ISFULL (q0>=MAXS)
#endif
#define SEEEMPTY if :: (q0+q1==0) -> emp=255 :: else fi
#define SEEFULL  if :: ISFULL -> ful=255 :: else fi
#define CONSUME  assert(gw[b]==gHELD+me); assert(mst[pay[b]]==1); mst[pay[b]]=2; LESS

/*
 * ---- hints: where the tail and the head of a ring may be ------------------------------------
 * They are not stored.  Who reads one gets the truth or the oldest value that there was: the two
 * ends of whatever a scheme of hints that never runs ahead can yield.
 */
#define TAILHINT \
  if :: d_step { RUN; r = (moved -> 2 : 0); t = ncommit-p0 } :: d_step { RUN; r=0; t=0 } fi
#define HEADHINT \
  if \
  :: d_step { RUN; r = ((moved && ntake>=p0) -> 2 : 0); h = ntake-(r==2 -> p0 : 0) } \
  :: d_step { RUN; r=0; h=0 } \
  fi
/* the head as far as segment r goes */
#define HEADIN(r) \
  ((r)==2 -> (ntake>p0 -> ntake-p0 : 0) : ((moved && ntake>p0) -> p0 : ntake))

/* ---- steps --------------------------------------------------------------------------------- */
#define LOCALS short c, s, po; byte b, g, t, h, h1, r, hb, res, i, x; bit ok
#define ZERO c=0; s=0; po=0; b=0; g=0; t=0; h=0; h1=0; r=0; hb=0; res=0; i=0; x=0; ok=0
/* death: a client leaves its record dirty, a recoverer lets the lock fall */
#define CANDIE d_step { RUN && ((me<=NCLI && kills>0) || (me>NCLI && rkills>0)); \
   if :: (me<=NCLI) -> kills--; dead[me]=1 :: else -> rkills--; lock[x]=0 fi; ZERO }
/* one step, or death instead of it */
#define S(x) if :: d_step { RUN; COUNT; x } :: CANDIE -> goto dying fi
/* compare-and-swap: ok tells whether it was done; then_ are the ghosts */
#define CAS(word_,old_,new_,then_) \
  S( ok=0; if :: ((word_)==(old_)) -> word_ = new_; ok=1; then_ :: else fi )
/* the same where it does not matter who does it */
#define HELP(word_,old_,new_) S( if :: ((word_)==(old_)) -> word_ = new_ :: else fi )
/* a step of somebody who only looks, and can die without a trace */
#define LOOK(x) d_step { RUN; x }
