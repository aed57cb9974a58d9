/* Who asks whether all is done, and who makes that harder. */
/*
 * ---- put_back: an item that is out of the queue, an open task until then, comes back ----------
 * In front of the others, so by way of the redelivery ring; and past the limit and close.
 */
inline put_back(m_) {
  res=0;
  claim();
  if
  :: (res==rNOBLOCK)                       /* for a better moment: it stays a task */
  :: else ->
     S( assert(gw[b]==gPRIV+me); pay[b]=m_ );
     S( hdr[b]=HDR(g,INFL,me); gw[b]=gHELD+me; mst[m_]=1 );
     CAS(hdr[b], HDR(g,INFL,me), HDR(g+1,REDEL,me), gw[b]=gPEND+me);
     assert(ok);
     g=g+1;
     redeliver(me);
     S( tasks-- )
  fi;
  b=0; g=0; res=0; ok=0
}

/*
 * ---- join: is there an unfinished message? ------------------------------------------------------
 * A message never changes its block, and a block without a message gets one only by a commit, which
 * moves the tail.  So if the tail is where it was before the blocks were looked at, and there was
 * no message in any, then there is none at the end.  An open task that comes back as a message does
 * not move that tail, but the one of the redelivery ring before it is closed: look at both.
 */
#define FIND_TAIL(hint_) \
  hint_; \
  do \
  :: LOOK( c = cell[IX(r,t)] ); \
     if \
     :: (LAP(c)==LL(r,t) && SIGNPOST(c)) -> r=2; t=0 \
     :: (LAP(c)==LL(r,t) && CLOSED(c)) -> res=rCLOSED; break \
     :: (LAP(c)==LL(r,t) && (KIND(c)==FULL || KIND(c)==TAKEN)) -> t++ \
     :: (LAP(c)>LL(r,t)) -> t = JUMP(r,t,c) \
     :: (LAP(c)<LL(r,t) || (LAP(c)==LL(r,t) && KIND(c)==EMPTY)) -> break \
     fi \
  od; \
  c=0
#define BACKHINT if :: d_step { RUN; r=1; t=nredel } :: d_step { RUN; r=1; t=0 } fi
inline walk_tail() { FIND_TAIL(TAILHINT) }
inline walk_back() { FIND_TAIL(BACKHINT) }

/* may block b, claimed under header s, be passed over? ok: the header is the same after the look */
inline look_claimed() {
  LOOK( po = pos[b] );
  if
  :: (po!=NONE && PGEN(po)==GEN(s)) ->
     LOOK( c = cell[IX(PRING(po),PPOS(po))] );
     h = NAMES(c,PRING(po),PPOS(po),b);
#if FLAW_JOIN==2
     ok=1
#else
     LOOK( ok = (hdr[b]==s) )
#endif
  :: else ->
#if FLAW_JOIN==3
     ok=1
#else
     LOOK( ok = (hdr[b]==s) )
#endif
  fi;
  c=0; po=0
}

inline join() {
  d_step { idle = (unfinished==0); busy = !idle };
#if defined(BACK) && FLAW_JOIN!=4
  walk_back(); back0=t;
#endif
  walk_tail(); r0=r; t0=t;
  b=0;
  do
  :: (b==M) -> break
  :: else ->
     LOOK( s = hdr[b] );
     if
     :: (ST_(s)==FREE) -> b++
     :: (ST_(s)==CLAIMED) ->
        look_claimed();
        if
        :: (ok && h) -> res=rOK; break     /* published and not taken up */
        :: (ok && !h) -> b++               /* still in the hands of its producer */
        :: else                            /* it changed: look again */
        fi;
        h=0; ok=0
     :: else -> res=rOK; break
     fi;
     s=0
  od;
  if
  :: (res==rOK) -> d_step { assert(busy) }
#ifdef BACK
  :: (res!=rOK && tasks!=0)
  :: (res!=rOK && tasks==0) ->
#else
  :: (res==rCLOSED) -> d_step { assert(unfinished==0) }       /* for good: the tail cannot move */
  :: else ->
#endif
#if FLAW_JOIN!=1
     walk_tail();
#endif
     ok = (r==r0 && t==t0);
#if defined(BACK) && FLAW_JOIN!=4
     walk_back();
     ok = ok && (t==back0);
#endif
     d_step { if :: ok -> assert(idle) :: else fi }           /* moved: no answer */
  fi
}
