// Whether the process is in exit(). Nobody tells; but exit() destroys what is thread_local in its
// thread first, before any handler or static object. So the destructor of a static object can know
// where it is, although it may run before a handler that its own constructor has registered.
//
// Thread safety: any thread may call any function.
#pragma once

namespace steward::detail::client {

// From now on the end of the calling thread is noticed.
void notice_exit();

// Called by the main thread: whether it is in exit(), if it was noticed. (Another thread may just
// end: then false.)
bool is_exiting() noexcept;

}  // namespace steward::detail::client
