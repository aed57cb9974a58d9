// For host languages: how a thread that waits in the library hears of Ctrl-C.
#pragma once

namespace steward {

// From now on a thread of the program that waits for a manager asks this check when a signal has
// come in between (one that waits behind another thread, some twenty times a second), and throws
// Interrupted if it says that it shall wait no longer. The library's own threads never ask. It may
// throw nothing. Null: signals end no wait, as at the beginning. Thread safety: any thread.
void set_interrupt_check(bool (*check)());

}  // namespace steward
