// How many threads this process has.
#pragma once

namespace steward::detail::process {

// The number of the program's other threads: neither the calling one, nor those of the library, nor
// a sanitizer's. A thread that was just joined may still be ending: waits a little for it.
int other_threads();

}  // namespace steward::detail::process
