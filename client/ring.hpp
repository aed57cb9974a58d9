// How a client gets at the ring of a queue: shared memory by which processes of the manager's host
// put and take without the manager.
//
// Asked for at the control socket, over a connection of its own:
//
//   client -> manager   [1, "ring", object]
//   manager -> client   [1, "ring", maxsize]   and the memfd of the queue
//                       [1, nil, reason]       refused for now: calls go to the manager
//                       [1, nil, reason, true] refused for good
#pragma once

#include <string>

#include <steward/client/address.hpp>
#include <steward/core/clock.hpp>
#include <steward/core/ids.hpp>
#include <steward/core/token.hpp>
#include <steward/shm/shared_queue.hpp>

namespace steward::detail::client {

// The ring of the queue that this reference stands for; nullptr: its calls go to the manager,
// because the manager is on another host, has no ring for the queue, or the environment says
// STEWARD_TRANSPORT=zmq. Decided at a process's first call for this queue, which may wait for the
// manager until the connect timeout; later calls take a few nanoseconds. If `deadline` passes
// before the manager answers, returns nullptr and leaves it undecided. Valid while the caller has
// the reference. Throws as session_of().
shm::SharedQueue* ring_of(const core::ReferencePtr& reference, core::Deadline deadline);

// The memfd of the queue's ring from the manager behind this control socket; empty if the manager
// refuses for good. Throws Overloaded if it refuses for now, or no descriptor is left here;
// Disconnected, AuthenticationError as connect_control().
shm::UniqueFd request_ring(const IpcAddress& address, core::ObjectId object,
                           core::Deadline deadline);

}  // namespace steward::detail::client
