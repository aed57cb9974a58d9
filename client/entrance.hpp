// Entrance: the inside of a Listener, of one kind for each kind of address.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include <steward/client/listen_options.hpp>
#include <steward/client/options.hpp>
#include <steward/core/clock.hpp>
#include <steward/core/tcp_address.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::client {

// Thread safety: next() may be called by several threads. A resource; a copy in a forked child
// leaves the place alone when it is destroyed.
class Entrance {
 public:
  virtual ~Entrance() = default;

  // Readable when next() may have something.
  virtual int fd() const = 0;
  // nullopt: nobody waits. Throws Overloaded if descriptors run out.
  virtual std::optional<shm::UniqueFd> next() = 0;
  virtual std::string address() const = 0;
};

// A Unix socket at this path.
std::unique_ptr<Entrance> listen_local(const std::string& path, const ListenerOptions& options);
// A tcp port, behind a relay.
std::unique_ptr<Entrance> listen_remote(const core::TcpAddress& address,
                                        const ListenerOptions& options);

// The other side of both. Throw Disconnected, AuthenticationError.
shm::UniqueFd connect_local(const std::string& path, core::Deadline deadline);
shm::UniqueFd connect_remote(const core::TcpAddress& address, const ConnectOptions& options);

}  // namespace steward::client
