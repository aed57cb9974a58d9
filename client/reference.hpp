// What other rooms use of this one: connecting to managers, and references to their objects.
// (core::Reference is in core/token.hpp; the references of this room are in client_reference.hpp.)
// Thread safety: any thread may call any function.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <steward/client/options.hpp>
#include <steward/client/session.hpp>
#include <steward/client/transport/transport.hpp>
#include <steward/core/token.hpp>

namespace steward::detail::client {

class SessionDriver;

// The session that calls to this reference's object go through. Usually the one that made it; after
// a fork, the child's own session, on which the object is claimed first. A handle that was merely
// decoded (see unclaimed()) is claimed likewise, at its first use.
// Throws StaleHandle if `reference` is null or the object is gone, Disconnected if its manager is
// gone or cannot be reached by the deadline, TimeoutError if it does not answer by then.
SessionPtr session_of(const core::ReferencePtr& reference, core::Deadline deadline = {});

// A reference for a token that stood in a result of another manager. Until it is used it keeps
// nothing alive, and its manager is not connected to. `by`: the session that it came by, on whose
// terms its manager is dialled (ConnectOptions::allow), and as far as whose proof goes it is
// trusted: where that does not do for its manager, it needs a lease. Null: it came by none.
core::ReferencePtr unclaimed(core::Token token, const SessionDriver* by = nullptr);

// Likewise for a token of this program that is to be claimed within its lease, although the thread
// that has it must not wait for its manager: another one does, unless its first use comes before.
core::ReferencePtr claimed_soon(core::Token token);

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

// Says goodbye to all managers and waits for their answers, at most `wait` in all. Calls throw
// Disconnected then, also those that wait already. (At exit nobody does this: see note 40.)
void end_all_sessions(core::Duration wait);

// Whether the calling thread is in exit(), which runs destructors of static objects: other threads
// may go on until the process is gone, and what they use must, too.
bool process_ends() noexcept;

}  // namespace steward::detail::client
