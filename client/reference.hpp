// Reference: a session's share in one object. When the last proxy that holds it is gone, the
// session drops it, without waiting for the network.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <steward/client/options.hpp>
#include <steward/client/session.hpp>
#include <steward/client/transport/transport.hpp>
#include <steward/core/token.hpp>

namespace steward::detail::client {

// The session that calls to this reference's object go through. Usually the one that made it; after
// a fork, the child's own session, on which the object is claimed first. A handle that was merely
// decoded (see unclaimed()) is claimed likewise, at its first use.
// Throws StaleHandle if `reference` is null or the object is gone, Disconnected if its manager is
// gone or cannot be reached by the deadline, TimeoutError if it does not answer by then.
SessionPtr session_of(const core::ReferencePtr& reference, core::Deadline deadline = {});

// A reference for a token that somebody wrote: until it is used it keeps nothing alive, and nothing
// is dialled.
core::ReferencePtr unclaimed(core::Token token);

// In a child of a plain fork(): ends one hold that the calling thread had of this lock at the fork.
// It is the parent's, which goes on holding it, so that here there is nothing to unlock. False:
// there is none, or a later one of the child's own.
bool end_copied_hold(const core::ReferencePtr& lock);

// A reference that this process owns for a token from anywhere: connects to its manager if there is
// no session yet, and claims the object.
core::ReferencePtr open_token(const core::Token& token, const ConnectOptions& options = {},
                              core::Deadline deadline = {});

// Connects to the manager at this address ("ipc://..." or "tcp://host:port"). Throws Disconnected,
// AuthenticationError, BadCall.
SessionPtr connect(const std::string& address, const ConnectOptions& options = {});

// The caller does not need the session any more. It ends if nobody else in this process uses it.
void leave(SessionPtr session);

// For what is private to its owner: a session over a transport that exists already (tests).
SessionPtr connect_over(std::unique_ptr<Transport> transport, std::string ticket,
                        std::vector<std::string> addresses, const ConnectOptions& options = {});

// Says goodbye to all managers and waits for their answers, at most this long in all: for the end
// of a process that does not run exit handlers. Later calls of this thread throw Disconnected.
// Those of others, also such as wait already, sleep on: an exception would end the process
// otherwise than it is about to.
void end_all_sessions(core::Duration wait);

}  // namespace steward::detail::client
