// Whether anybody listens at a tcp address, before a session is begun there: ZeroMQ tries for ever
// and says nothing of why.
#pragma once

#include <steward/core/clock.hpp>
#include <steward/core/tcp_address.hpp>

namespace steward::detail::client {

// Throws Disconnected with the reason if nobody does, by the deadline.
void check_reachable(const core::TcpAddress& address, core::Deadline deadline);

// Whether who listens there takes connections, and does not close them before it has said anything,
// as a manager does that has no descriptor left: ZeroMQ's part of a connection begins at both ends
// at once. False, too, if it is silent until the deadline.
bool takes_connections(const core::TcpAddress& address, core::Deadline deadline);

// Whether its host says that nobody listens there; false, too, if it says nothing.
bool is_refused(const core::TcpAddress& address, core::Deadline deadline);

}  // namespace steward::detail::client
