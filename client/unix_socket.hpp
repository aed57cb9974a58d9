// Connects Unix sockets by path, and asks the kernel who is on the other side.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <optional>
#include <string>

#include <steward/core/clock.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::client {

// nullopt: the path is empty, or longer than an address can be.
std::optional<sockaddr_un> unix_address(const std::string& path);

// A non-blocking socket of this type (SOCK_STREAM, ...), connected to the one at this path; while
// very many connect there, until the deadline. Empty: `error` says why not. Throws Overloaded if
// there is no descriptor for it, AuthenticationError if it would have to wait for another user.
shm::UniqueFd connect_unix(const std::string& path, int type, core::Deadline deadline, int& error);

// The credentials of the other side of a connected socket, as the kernel gives them (SO_PEERCRED).
// nullopt: it does not say.
std::optional<ucred> peer_of(int socket);

}  // namespace steward::detail::client
