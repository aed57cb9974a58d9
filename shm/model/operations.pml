/* What a client of the queue does, and what is done for one that died. */
#define rOK 1
#define rFULL 2
#define rCLOSED 3
#define rNOBLOCK 4
#define rEMPTY 5

/*
 * ---- help: the cell of a taken message says who has it, its block must say so too -------------
 * By whoever took it, by the producer of the next lap, by recovery.  No second try when the CAS
 * fails: then somebody else has written the header, and the block may be anywhere by now.
 */
#ifdef FLAW_GEN
#define NEXTGEN 0
#define UNTIL_DONE do ::
#define DONE if :: ok -> break :: else fi od
#else
#define NEXTGEN 1
#define UNTIL_DONE skip;
#define DONE skip
#endif
inline help_state(r_, p_, c_) {
  hb = BLK(c_);
  UNTIL_DONE
  S( s = hdr[hb] );
  if
  :: (ST_(s)==CLAIMED || ST_(s)==REDEL) ->
     S( po = pos[hb] );
     if
     :: (po == POS(GEN(s), r_, p_)) -> CAS(hdr[hb], s, HDR(GEN(s),INFL,OWN(c_)), skip)
     :: else -> ok=1
     fi
  :: else -> ok=1
  fi;
  DONE;
  s=0; po=0; hb=0; ok=0
}

/* header before cell: whoever sees the cell released can trust the header */
inline help_release(r_, p_, c_) {
#ifdef FLAW_ORDER
  HELP(cell[IX(r_,p_)], c_, CELL(LAP(c_)+1,EMPTY,0,0));
  help_state(r_, p_, c_)
#else
  help_state(r_, p_, c_);
  HELP(cell[IX(r_,p_)], c_, CELL(LAP(c_)+1,EMPTY,0,0))
#endif
}

/* ---- redeliver: publish block b (generation g) in the redelivery ring, on behalf of x_ ------- */
inline redeliver(x_) {
  if :: d_step { RUN; t=nredel } :: d_step { RUN; t=0 } fi;
  do
  :: S( c = cell[IX(1,t)] );
     if
     :: (LAP(c)==LL(1,t) && KIND(c)==EMPTY) ->
        S( assert(g<16 && t<16); pos[b] = POS(g,1,t) );
        CAS(cell[IX(1,t)], c, CELL(LL(1,t),FULL,0,b),
            assert(gw[b]==gPEND+x_); gw[b]=gQUE; q1++; assert(t==nredel); nredel++);
        if :: ok -> break :: else fi
     :: (LAP(c)==LL(1,t) && KIND(c)!=EMPTY) -> t++
     :: (LAP(c)>LL(1,t)) -> t = JUMP(1,t,c)
     :: (LAP(c)<LL(1,t)) -> assert(KIND(c)==TAKEN); help_release(1, t-NR, c)
     fi
  od;
  c=0; t=0; ok=0
}

/* ---- put: m_ is the message ------------------------------------------------------------------ */
inline claim() {
  b=0;
  do                                       /* a scan of the headers, which are the truth */
  :: (b<M) ->
#if defined(HOME) && !defined(FLAW_HOME)
     S( po = pos[b] );                     /* before the header */
#endif
     S( s = hdr[b] );
     if
     :: (ST_(s)==FREE) ->
        CAS(hdr[b], s, HDR(GEN(s),CLAIMED,me), assert(gw[b]==gFREE); gw[b]=gPRIV+me);
        if :: ok -> break :: else fi
#ifdef HOME                                /* mine, and a consumer handed it back: no CAS */
     :: (ST_(s)==CLAIMED && HOWN(s)==me) ->
#ifdef FLAW_HOME
        S( po = pos[b] );
#endif
        if
        :: (po==NONE || PGEN(po)!=GEN(s)) -> assert(gw[b]==gPRIV+me); break
        :: else -> po=0; b++
        fi
#endif
     :: else -> b++
     fi
  :: (b==M) -> res=rNOBLOCK; break
  od;
  g=GEN(s); s=0; ok=0; po=0
}

/* Is there room before position t?  Walks from the head, so that Full is exact. */
inline find_room() {
  if :: d_step { RUN; h=HEADIN(r) } :: d_step { RUN; h=0 } fi;
  if :: (h>t) -> h=t :: else fi;
  do
  :: (t-h < ROOM(r)) -> break
  :: else ->
     S( s = cell[IX(r,h)] );
     if
     :: (LAP(s)>LL(r,h)) -> h = JUMP(r,h,s)
     :: (LAP(s)==LL(r,h) && KIND(s)==TAKEN) -> h++
     :: (LAP(s)==LL(r,h) && KIND(s)==FULL) -> res=rFULL; break
     :: else -> assert(false)              /* position h < t was published */
     fi
  od;
  s=0; h=0
}

inline help_before() {
  if
  :: (LAP(c)<LL(r,t)) -> assert(KIND(c)==TAKEN); help_state(r, t-SZ(r), c)
  :: else
  fi
}

/* COMMIT, to position t, whose cell was c when we had our block already */
inline commit(m_) {
  S( assert(g<16 && t<16); pos[b] = POS(g,r,t) );
  CAS(cell[IX(r,t)], c, CELL(LL(r,t),FULL,0,b),
      assert(gw[b]==gPRIV+me); gw[b]=gQUE; assert(mst[m_]==0); mst[m_]=1;
      assert(!closed); assert(t+p0==ncommit && r==(moved -> 2 : 0));
      mseq[m_]=ncommit; ncommit++; q0++; MORE;
      assert((r==2 -> INLAST : q0) <= ROOM(r)); SEEFULL)
}

/*
 * There is room at t, so now a block.  It may have been published at t and taken and freed since
 * then: our position would make the cell's old owner its owner.  So the cell must still be c.
 */
inline claim_late(m_) {
  ok=1;
  if
  :: (b==M) ->
     claim();
     if
     :: (res!=rNOBLOCK) ->
        S( assert(gw[b]==gPRIV+me); pay[b]=m_ );
#ifdef FLAW_LATE
        ok=1
#else
        S( ok=(cell[IX(r,t)]==c) )
#endif
     :: else
     fi
  :: else
  fi;
  if :: (ok && BLK(c)!=b) -> help_before(); ok=1 :: else fi      /* of ours the message is gone */
}

inline put(m_) {
  d_step { OPSTART; ful = ful & ~(1<<me); if :: ISFULL -> ful = ful | (1<<me) :: else fi };
  res=0;
#ifdef LATE
  b=M;
#else
  claim();
#endif
  if
  :: (res==rNOBLOCK) -> skip
  :: else ->
#ifndef LATE
     S( assert(gw[b]==gPRIV+me); pay[b]=m_ );
#endif
     TAILHINT;
     do
     :: S( c = cell[IX(r,t)] );
        if
        :: (LAP(c)==LL(r,t) && SIGNPOST(c)) -> r=2; t=0
        :: (LAP(c)==LL(r,t) && CLOSED(c)) -> res=rCLOSED; break
        :: (LAP(c)==LL(r,t) && (KIND(c)==FULL || KIND(c)==TAKEN)) -> t++
        :: (LAP(c)>LL(r,t)) -> t = JUMP(r,t,c)
#ifdef FLAW_HELP
        :: (LAP(c)<LL(r,t)) -> skip
        :: (LAP(c)==LL(r,t) && KIND(c)==EMPTY) ->
#elif defined(EAGER)
        :: (LAP(c)<LL(r,t)) -> assert(KIND(c)==TAKEN); help_release(r, t-SZ(r), c)
        :: (LAP(c)==LL(r,t) && KIND(c)==EMPTY) ->
#else                                      /* over a TAKEN of the lap before, in one CAS */
        :: (LAP(c)==LL(r,t) && KIND(c)==EMPTY) || (LAP(c)<LL(r,t)) ->
#ifndef LATE
           help_before();
#endif
#endif
           find_room();
           if
#ifdef GROW
           :: (res==rFULL && r==0) ->      /* the last free cell becomes the signpost */
              res=0;
#ifdef LATE
              help_before();
#endif
              S( if
                 :: (cell[IX(r,t)]==c) -> cell[IX(r,t)] = CELL(LL(r,t),END,0,1);
                    assert(!closed && !moved && t==ncommit); moved=1; p0=ncommit
                 :: else
                 fi )
           :: (res==rFULL && r!=0) -> break
#else
           :: (res==rFULL) -> break
#endif
           :: else ->
#ifdef LATE
              claim_late(m_);
              if :: (res==rNOBLOCK) -> break :: else fi;
              if :: ok -> ok=0; commit(m_) :: else fi;
#else
              commit(m_);
#endif
              if :: ok -> res=rOK; break :: else fi
           fi
        fi
     od;
     r=0;
     if
     :: (res==rOK) -> skip
     :: (res!=rOK && b==M) ->
        d_step { assert(res!=rFULL || ((ful>>me)&1)); assert(res!=rCLOSED || closed) }
     :: (res!=rOK && b<M) ->               /* give the block back */
        d_step { assert(res!=rFULL || ((ful>>me)&1)); assert(res!=rCLOSED || closed) };
        S( pos[b] = NONE );
        S( assert(gw[b]==gPRIV+me); gw[b]=gFREE; hdr[b]=HDR(g+1,FREE,0) )
     fi
  fi;
  c=0; t=0; b=0; g=0; ok=0; res=0; h=0; s=0
}

/* ---- get: the redelivery ring first, then the main one --------------------------------------- */
/* leaves rOK and ring r, position h, cell c, block b; or rEMPTY or rCLOSED at position h */
inline take_from(r_) {
  if
  :: (r_==1) -> if :: d_step { RUN; r=1; h=nrtake } :: d_step { RUN; r=1; h=0 } fi
  :: else -> HEADHINT
  fi;
  res=0;
  do
  :: S( c = cell[IX(r,h)] );
     if
     :: (LAP(c)>LL(r,h)) -> h = JUMP(r,h,c)
     :: (LAP(c)<LL(r,h)) -> res=rEMPTY; break                 /* nobody has published h */
     :: (LAP(c)==LL(r,h) && KIND(c)==EMPTY) -> res=rEMPTY; break
     :: (LAP(c)==LL(r,h) && SIGNPOST(c)) -> r=2; h=0
     :: (LAP(c)==LL(r,h) && CLOSED(c)) -> res=rCLOSED; break
     :: (LAP(c)==LL(r,h) && KIND(c)==TAKEN) -> h++
     :: (LAP(c)==LL(r,h) && KIND(c)==FULL) ->
        CAS(cell[IX(r,h)], c, CELL(LAP(c),TAKEN,me,BLK(c)),
            b=BLK(c); assert(gw[b]==gQUE); gw[b]=gHELD+me; assert(mst[pay[b]]==1);
            if
            :: r!=1 -> assert(h+(r==2 -> p0 : 0)==ntake); assert(mseq[pay[b]]==ntake);
               ntake++; q0--
            :: else -> assert(h==nrtake); nrtake++; q1--
            fi;
            SEEEMPTY);
        if :: ok -> c=CELL(LAP(c),TAKEN,me,b); res=rOK; break :: else fi
     fi
  od;
  ok=0
}

/* an auto-ack: a plain store, which beats the CAS of every helper */
#ifdef HOME
#define CONSUMED \
  if :: (ST_(s)==CLAIMED) -> gw[b]=gPRIV+HOWN(s); hdr[b]=HDR(GEN(s)+1,CLAIMED,HOWN(s)) \
     :: else -> gw[b]=gFREE; hdr[b]=HDR(GEN(s)+1,FREE,0) fi
#else
#define CONSUMED gw[b]=gFREE; hdr[b]=HDR(GEN(s)+1,FREE,0)
#endif

/* ack or nack of block b, whose header was s; either may find that the lease was lost */
inline settle() {
  if
#ifdef FLAW_ACKSTORE
  :: S( CONSUME; gw[b]=gFREE; hdr[b]=HDR(g+1,FREE,0); ok=1 )
#endif
  :: CAS(hdr[b], s, HDR(g+1,FREE,0), CONSUME; gw[b]=gFREE)
  :: d_step { RUN && nacks>0; nacks-- } ->
     CAS(hdr[b], s, HDR(g+NEXTGEN,REDEL,me), assert(gw[b]==gHELD+me); gw[b]=gPEND+me);
     if
     :: ok -> s=0; g=g+NEXTGEN; redeliver(me); ok=1
     :: else
     fi
  fi;
  assert(ok || ST_(s)==LEASE);             /* nobody else touches what a living client has */
  s=0; ok=0
}

inline get(manual_) {
  d_step { OPSTART; emp = emp & ~(1<<me); if :: (q0+q1==0) -> emp = emp | (1<<me) :: else fi };
  do
  :: take_from(1);
     if :: (res==rOK) -> break :: else fi;
     h1=h;                                 /* nothing was published there */
     take_from(0);
     if :: (res==rOK) -> break :: else fi;
#ifndef FLAW_EMPTY
     S( c = cell[IX(1,h1)] );              /* and still nothing? */
     if :: (LAP(c)<LL(1,h1) || (LAP(c)==LL(1,h1) && KIND(c)==EMPTY)) ->
#endif
           d_step { assert((emp>>me)&1); assert(res!=rCLOSED || closed) };
           break
#ifndef FLAW_EMPTY
        :: else
     fi
#endif
  od;
  h1=0;
  if
  :: (res==rOK && !(manual_)) ->
     S( s = hdr[b] );
     S( CONSUME; CONSUMED );
#ifdef EAGER
     HELP(cell[IX(r,h)], c, CELL(LAP(c)+1,EMPTY,0,0))
#endif
  :: (res==rOK && (manual_)) ->
     help_release(r, h, c);
     c=0; h=0; r=0;
     S( s = hdr[b] );
     assert(ST_(s)==INFL && HOWN(s)==me);
     g = GEN(s);
#ifdef TTR
     if
     :: lease()
#if TTR==2
     :: skip
#endif
     fi;
#endif
     settle()
  :: else
  fi;
  c=0; h=0; r=0; b=0; g=0; s=0; res=0
}

/*
 * ---- leases: the deadline is a word of its own -----------------------------------------------
 * Its owner writes it while the block is in flight, when nobody expires it.  Touch goes back there,
 * with another generation: whoever has read the old deadline comes too late.
 */
#ifdef TOUCH
#define DEADLINE(d_) S( deadline[b] = d_ )
#define PASSED S( ok = (deadline[b]==SOON) )
#if FLAW_TOUCH==2
#define NOTLATE skip                       /* it may be; then touch says that it came too late */
#else
#define NOTLATE assert(deadline[b]==SOON)
#endif
#else                                      /* any deadline may pass at any time */
#define DEADLINE(d_) skip
#define PASSED ok=1
#define NOTLATE skip
#endif
#if FLAW_TOUCH==1
#define NEXTTOUCH 0
#else
#define NEXTTOUCH 1
#endif
inline lease() {
  DEADLINE(SOON);
  CAS(hdr[b], s, HDR(g,LEASE,me), skip);
  assert(ok);
  s=HDR(g,LEASE,me); ok=0;
#ifdef TOUCH
  if
  :: S( assert(hdr[b]!=s || deadline[b]==SOON) )               /* nobody else has written it */
  :: touch()
  fi
#endif
}

inline touch() {
#if FLAW_TOUCH==2
  DEADLINE(LATE);
#endif
  CAS(hdr[b], s, HDR(g+NEXTTOUCH,INFL,me), skip);
  if
  :: ok ->
     g=g+NEXTTOUCH; s=HDR(g,INFL,me);
     DEADLINE(LATE);
     CAS(hdr[b], s, HDR(g,LEASE,me), skip);
     assert(ok);
     s=HDR(g,LEASE,me)
  :: else                                  /* the lease was lost */
  fi;
  ok=0
}

/* end the lease of block b, if its time is up */
inline expire() {
  S( s = hdr[b] );
  if
  :: (ST_(s)==LEASE) ->
     PASSED;
     if
     :: ok ->
        g = GEN(s)+1;
        CAS(hdr[b], s, HDR(g,REDEL,me),
            assert(gw[b]==gHELD+HOWN(s)); gw[b]=gPEND+me; NOTLATE);
        s=0;
        if :: ok -> ok=0; redeliver(me) :: else fi
     :: else
     fi
  :: else
  fi;
  s=0; g=0
}

/* ---- close ----------------------------------------------------------------------------------- */
inline close_queue() {
  d_step { OPSTART };
  TAILHINT;
  do
  :: S( c = cell[IX(r,t)] );
     if
     :: (LAP(c)==LL(r,t) && KIND(c)==EMPTY) ->
        CAS(cell[IX(r,t)], c, CELL(LL(r,t),END,0,0),
            assert(t+p0==ncommit && r==(moved -> 2 : 0)); closed=1);
        if :: ok -> break :: else fi
     :: (LAP(c)==LL(r,t) && SIGNPOST(c)) -> r=2; t=0
     :: (LAP(c)==LL(r,t) && CLOSED(c)) -> break
     :: (LAP(c)==LL(r,t) && (KIND(c)==FULL || KIND(c)==TAKEN)) -> t++
     :: (LAP(c)>LL(r,t)) -> t = JUMP(r,t,c)
     :: (LAP(c)<LL(r,t)) -> assert(KIND(c)==TAKEN); help_release(r, t-SZ(r), c)
     fi
  od;
  c=0; t=0; ok=0; r=0
}

/* ---- recover: x is dead and its lock is held; may itself die anywhere and be done again ------ */
inline recover() {
  i=0;
  do                                       /* first what it took, so that the headers say so */
  :: (i<CELLS) ->
     S( c = cell[i] );
     if
     :: (KIND(c)==TAKEN && OWN(c)==x) ->
        if
        :: (i<N) -> r=0; t = LAP(c)*N + i
        :: (i>=N && i<N+NR) -> r=1; t = LAP(c)*NR + i - N
        :: else -> r=2; t = LAP(c)*N2 + i - N - NR
        fi;
        help_release(r, t, c);
        t=0; r=0
     :: else
     fi;
     c=0; i++
  :: else -> break
  od;
  b=0; i=0;
  do                                       /* then the blocks that the headers say it has */
  :: (b<M) -> recover_block(); b++
  :: else -> break
  od;
  b=0
}

inline recover_block() {
  S( s = hdr[b] );
  g = GEN(s);
  if
  :: (HOWN(s)==x && (ST_(s)==INFL || ST_(s)==LEASE)) ->
     CAS(hdr[b], s, HDR(g+NEXTGEN,REDEL,x), assert(gw[b]==gHELD+x); gw[b]=gPEND+x);
     assert(ok || ST_(s)==LEASE);          /* a lease may expire meanwhile */
     g=g+NEXTGEN; s=0;
     if :: ok -> ok=0; redeliver(x) :: else fi
  :: (HOWN(s)==x && (ST_(s)==REDEL || ST_(s)==CLAIMED)) ->
     S( po = pos[b] );                     /* is it published? */
     r = (ST_(s)==REDEL -> 1 : (PRING(po)==2 -> 2 : 0));
     if
     :: (po==POS(g,r,PPOS(po)) && PRING(po)==r) ->
        h = PPOS(po);
        S( c = cell[IX(r,h)] );
        ok = !NAMES(c,r,h,b);
        c=0; h=0
     :: else -> ok=1
     fi;
     po=0;
     if
     :: (ok && r==1) ->
        ok=0; r=0;
#ifdef FLAW_REVAL
        s=0;
        redeliver(x)
#else
        S( ok=(hdr[b]==s) );               /* the header again, after the cell */
        s=0;
        if :: ok -> ok=0; redeliver(x) :: else fi
#endif
     :: (ok && r!=1) ->                    /* here the CAS looks at the header again */
        CAS(hdr[b], s, HDR(g+1,FREE,0), assert(gw[b]==gPRIV+x); gw[b]=gFREE)
     :: else
     fi;
     r=0; ok=0
  :: else
  fi;
  s=0; g=0
}
