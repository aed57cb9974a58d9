// The descriptors 0 to 2, which a program may have closed: a daemon, or `program >&-`.
#pragma once

namespace steward::detail::shm {

// Puts /dev/null, close-on-exec, on those of the descriptors 0 to 2 that are closed, for good. Is
// called before the library opens anything for itself: what took the number of standard output
// would get what the program prints. Descriptors that ZeroMQ's threads open later are why it stays.
//
// Throws SystemError if one is closed and there is no /dev/null. Thread safety: any thread.
void keep_standard_descriptors();

}  // namespace steward::detail::shm
