// How many threads this process has.
#pragma once

namespace steward::process {

// Threads besides the calling one, `own`, those of the client library and of a sanitizer. One that has just been joined
// may still be on its way out: waits a little for it.
int other_threads(int own);

}  // namespace steward::process
