// What a TCP socket needs to carry a Connection as a Unix socket does.
#pragma once

namespace steward::detail::pipe {

// Messages leave at once, little of them waits in this process, and the kernel finds out which
// connections lead nowhere any more, within half a minute where nothing is under way.
void prepare_tcp(int socket) noexcept;

// While it is held back (`yes`), what is sent waits in the kernel; it leaves when this is called
// with false (TCP_CORK).
void hold_back(int socket, bool yes) noexcept;

// From now on closing the socket discards what was not sent and resets the connection.
void forget_unsent(int socket) noexcept;

}  // namespace steward::detail::pipe
