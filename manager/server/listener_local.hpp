// The listener without a network: frames go through memory, between threads of one process. For
// tests, which meet the same server over it as over a socket.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <steward/manager/server/listener.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::server {

// Connects clients and one listener. Shared by all of them.
//
// Thread safety: connect() and a connection's functions may be called by any thread, the listener's
// by the server's.
class LocalNetwork : public std::enable_shared_from_this<LocalNetwork> {
 public:
  class Connection;

  // `vouch`: clients need no ticket.
  static std::shared_ptr<LocalNetwork> make(bool vouch = true);

  // Once.
  std::unique_ptr<Listener> listen();
  std::unique_ptr<Connection> connect();

 private:
  friend class LocalListener;

  // Frames in one direction, and an eventfd that is readable while there are any, or an end.
  struct Mailbox {
    shm::UniqueFd fd;
    std::deque<std::string> frames;
    bool closed = false;
  };

  explicit LocalNetwork(bool vouch);

  const bool vouch_;
  const shm::UniqueFd arrived_;  // eventfd: frames for the listener, or room for its own

  std::mutex mutex_;
  // Guarded by mutex_.
  std::deque<Arrival> arrivals_;
  std::unordered_map<std::string, std::shared_ptr<Mailbox>> clients_;  // by route
  std::uint64_t last_route_ = 0;
  bool listening_ = true;
};

// A client's end. Destroyed: the connection is gone.
class LocalNetwork::Connection {
 public:
  Connection(std::shared_ptr<LocalNetwork> network, std::string route);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // Readable while there is something to receive, or the listener is closed.
  int fd() const { return mailbox_->fd.get(); }
  bool readable();
  // False: nobody listens any more.
  bool send(std::string_view frame);
  enum class Got { nothing, frame, closed };
  Got receive(std::string& frame);

 private:
  const std::shared_ptr<LocalNetwork> network_;
  const std::string route_;
  const std::shared_ptr<Mailbox> mailbox_;
};

}  // namespace steward::detail::server
