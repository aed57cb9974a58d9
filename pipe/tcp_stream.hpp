// What a TCP socket needs to carry a Connection as a Unix socket does.
#pragma once

namespace steward::detail::pipe {

// Messages leave at once, little of them waits in this process, and the kernel finds out which
// connections lead nowhere any more, within half a minute where nothing is under way.
void prepare_tcp(int socket) noexcept;

// What is sent meanwhile leaves in the end, before all else.
void hold_back(int socket, bool yes) noexcept;

// Closing it will not send what waits, but break the connection off.
void forget_unsent(int socket) noexcept;

}  // namespace steward::detail::pipe
