// Closing: what becomes of the TCP sockets of Connections that are closed before all that was sent
// has arrived.
//
// When such a socket is closed that was not read to its end, or that something comes for later, the
// kernel forgets what it has not sent yet. So one thread of this process has them until the other
// side's kernel has acknowledged everything, and reads what still comes, so that a peer that sends
// does not wait for ever.
//
// At the end of a process that returns from main() or calls exit(), behind all else (see
// process::ProcessState::at_end()), those and all ends that are still open have a second together
// until the other side has what they sent, and another one whenever some more has arrived there, or
// here; ten at most. What still comes is read meanwhile, unless other threads or processes may be
// reading it. A forked child that has not used its parent's ends leaves them to it: its copies are
// just closed.
#pragma once

#include <chrono>
#include <cstddef>

#include <steward/process/passed_fd.hpp>

namespace steward::detail::pipe {

// Past them a socket is closed, and what it had not sent is lost: the time that one has, and their
// number, of which the oldest goes then.
inline constexpr std::chrono::seconds kClosingTime{30};
inline constexpr std::size_t kClosingSockets = 256;
inline constexpr std::chrono::seconds kClosingAtExit{1};  // in which nothing arrives or comes
inline constexpr std::chrono::seconds kClosingAtExitMost{10};

// From the first end over tcp on.
void settle_at_end();

// Takes the socket over, unless there is nothing to wait for: then it stays the caller's, who
// closes it. Does not wait. The other side hears the end behind all that was sent, at once; where
// another process may have the socket, too, it stays open there: a copy that was forked meanwhile,
// or whoever gave it to a process that then did not use it (`was_used`) and may not have come up.
// Thread safety: any thread.
void finish_sending(process::PassedFd& socket, bool was_used) noexcept;

}  // namespace steward::detail::pipe
