// Acceptor: takes in the connections of a Listener, one class for each kind of address. Below are
// the functions that connect to one.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <steward/client/options.hpp>
#include <steward/core/clock.hpp>
#include <steward/core/tcp_address.hpp>
#include <steward/pipe/end.hpp>
#include <steward/pipe/listener_options.hpp>

namespace steward::detail::pipe {

// Thread safety: next() may be called by several threads. A resource; a copy in a forked child
// accepts, too, and does not remove the socket's file when it is destroyed.
class Acceptor {
 public:
  virtual ~Acceptor() = default;

  // Readable when next() may have something.
  virtual int fd() const = 0;
  // nullopt: nobody waits. Throws Overloaded if descriptors run out, Closed if nobody can come any
  // more.
  virtual std::optional<End> next() = 0;
  virtual std::string address() const = 0;
};

// At the path of a Unix socket; at a tcp port.
std::unique_ptr<Acceptor> listen_at(const std::string& path, const ListenerOptions& options);
std::unique_ptr<Acceptor> listen_at(const core::TcpAddress& address,
                                    const ListenerOptions& options);

// The other side of both. Throw Disconnected, AuthenticationError.
End connect_to(const std::string& path, core::Deadline deadline);
End connect_to(const core::TcpAddress& address, const ConnectOptions& options);

}  // namespace steward::detail::pipe
