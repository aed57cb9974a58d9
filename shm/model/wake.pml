/*
 * Waking those who sleep on a futex word: a sequence and a flag, no counters.  For futex.pml and
 * batch.pml, which say how many WORDS and SLEEPERS there are and what a step S is.
 *
 * FLAG_ONLY  the first idea: the flag is cleared when a wake woke nobody, and that is all
 * SEQ_ONLY   the same, but clearing it advances the sequence
 * FLAW_FEWER the wake counts as fruitless only when it woke nobody, not when fewer than asked
 */
byte F[WORDS];                             /* seq:7 | flag:1 */
bit  asleep[WORDS*SLEEPERS];
#define SLEEPS(w_,i_) asleep[(w_)*SLEEPERS+(i_)]

#define WAKE_VARS byte v, r, n, wn; bit got
#define WAKE_ZERO v=0; r=0; n=0; wn=0; got=0

#ifdef FLAW_FEWER
#define FRUITLESS (r==0)
#else
#define FRUITLESS (r<wn)
#endif
#define WAKES(w_,i_) d_step { SLEEPS(w_,i_); SLEEPS(w_,i_)=0; r++; n++ }
/* FUTEX_WAKE: up to m_ sleepers, the kernel's choice; r = how many */
inline futex_wake(w_, m_) {
  S( r=0 );
  n=0;
  do
  :: (n<m_) ->
     if
     :: WAKES(w_,0)
#if SLEEPERS>1
     :: WAKES(w_,1)
#endif
#if SLEEPERS>2
     :: WAKES(w_,2)
#endif
     :: else -> n=m_
     fi
  :: else -> break
  od;
  n=0
}

/* after whatever the sleepers wait for was done: m_ of them may go on */
inline wake(w_, m_) {
  wn = m_;
#ifndef FLAW_FENCE
  S( v=F[w_] );
#endif
  if
  :: (v & 1) ->
     atomic { futex_wake(w_, m_) };
     if
     :: FRUITLESS ->
#ifdef FLAG_ONLY
        S( if :: (F[w_]==v) -> F[w_] = v & 254 :: else fi )
#elif defined(SEQ_ONLY)
        S( if :: (F[w_]==v) -> F[w_] = (v & 254)+2 :: else fi )
#else                                      /* and those who fell asleep since are woken too */
        S( got=0; if :: (F[w_]==v) -> F[w_] = (v & 254)+2; got=1 :: else fi );
        if :: got -> atomic { futex_wake(w_, SLEEPERS) } :: else fi
#endif
     :: else
     fi
  :: else
  fi;
  v=0; r=0; got=0; wn=0
}
