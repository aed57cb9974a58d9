// Closing: what becomes of the TCP sockets of Connections that are closed before all that was sent
// has arrived.
//
// When such a socket is closed that was not read to its end, or that something comes for later, the
// kernel forgets what it has not sent yet. So one thread of this process has them until the other
// side's kernel has acknowledged everything, and reads what still comes, so that a peer that sends
// does not wait for ever.
#pragma once

#include <chrono>
#include <cstddef>

#include <steward/process/passed_fd.hpp>

namespace steward::detail::pipe {

// Past them a socket is closed, and what it had not sent is lost: the time that one has, and their
// number, of which the oldest goes then.
inline constexpr std::chrono::seconds kClosingTime{30};
inline constexpr std::size_t kClosingSockets = 256;
// At the end of a process that returns from main() or calls exit(): for all of them together.
inline constexpr std::chrono::seconds kClosingAtExit{1};

// Takes the socket over, unless there is nothing to wait for: then it stays the caller's, who
// closes it. Does not wait. The other side hears the end behind all that was sent, at once; where
// this process was forked meanwhile and another one may have the socket, too, it stays open there.
// Thread safety: any thread.
void finish_sending(process::PassedFd& socket) noexcept;

}  // namespace steward::detail::pipe
