// How many threads this process has.
#pragma once

namespace steward::detail::process {

// Threads besides the calling one, those of connections to managers and of a sanitizer. One that
// has just been joined may still be on its way out: waits a little for it.
int other_threads();

}  // namespace steward::detail::process
