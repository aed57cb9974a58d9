// For host languages: how a thread that waits in the library hears of Ctrl-C.
#pragma once

namespace steward {

// From now on a thread that waits (for a manager, a future, a connection, a process, for several of
// them) asks this check when a signal has come in between, and throws Interrupted if it says that
// it shall wait no longer. As a signal may come just before a sleep, and some sleeps no signal
// ends, the check is asked some twenty times a second in any case. A destructor that waits does not
// ask, nor does exit(), nor do the library's own threads. The check may throw nothing; other
// threads go on meanwhile. It may use anything of the library; what it waits for asks no check.
// Only at the Connection at which its own thread waits it would wait for itself: what waits without
// end there (a recv() in the check of a recv()) throws BadCall, and the other forms find nothing in
// their time. It may fork: in the child, the wait throws. Null: signals end no wait, as at the
// beginning. Waits that have begun may not ask a new check. Thread safety: any thread.
void set_interrupt_check(bool (*check)());

}  // namespace steward
