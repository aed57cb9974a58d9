// What a Process does while an exception unwinds past it: a process that waits for ever, for what
// the code after the throw would have sent, must not keep the exception from its handler.
#pragma once

#include <chrono>
#include <string>

#include <steward/process/child.hpp>

namespace steward::detail::process {

// Tests shorten these.
struct UnwindingPatience {
  std::chrono::milliseconds to_end{5000};
  std::chrono::milliseconds to_terminate{1000};
};
UnwindingPatience& unwinding_patience();

// Waits for the end of the process; if that takes too long, terminates it, then kills it, and says
// so on standard error. Of several processes that one exception unwinds past, the first that does
// not end in time uses up the patience for all: the others are killed at once. False: it cannot be
// ended.
bool end_in_unwinding(const Child& child, const std::string& name) noexcept;

// To be called when this thread starts a process: from then on the next unwinding has its full
// patience again.
void have_patience_again();

}  // namespace steward::detail::process
