// Router: one ROUTER socket with what keeps its peers in bounds. A listener has one for each place
// where it listens.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <zmq.hpp>

#include <steward/core/auth_key.hpp>
#include <steward/core/limits.hpp>
#include <steward/core/tcp_address.hpp>
#include <steward/manager/server/flood_guard.hpp>
#include <steward/manager/server/listener.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::server {

// Rung by ZeroMQ's I/O thread when a peer reads again whose queue was full of large frames.
//
// Thread safety: any thread may ring; the loop's hears.
class Notifier {
 public:
  Notifier();
  int fd() const { return fd_.get(); }
  void ring();
  // The descriptor is not readable any more, until the next notify().
  void silence();

 private:
  const shm::UniqueFd fd_;  // an eventfd
  std::atomic<bool> notified_{false};
};
using NotifierPtr = std::shared_ptr<Notifier>;

// Thread safety: none; the loop's thread only. Ownership: the context must outlive it.
class Router {
 public:
  // `path`: of a Unix socket, in a directory that only this user may enter. Throws
  // SystemError.
  Router(zmq::context_t& context, const std::string& path, const core::Limits& limits,
         NotifierPtr notifier);
  // With a key: only peers that hold it, under CURVE; somebody must answer ZAP for
  // core::kZapDomain.
  Router(zmq::context_t& context, const core::TcpAddress& address, const core::Limits& limits,
         NotifierPtr notifier, const std::optional<core::KeyPairs>& key);

  int fd() const { return fd_; }
  // Where it listens, as ZeroMQ says it: with the port that was chosen.
  std::string endpoint() const { return socket_.get(zmq::sockopt::last_endpoint); }

  bool readable() { return (socket_.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0; }
  // Fills `frame`, and appends the peer's route to `route`; false: nothing is there. At a tcp
  // address a route is of one connection: a peer may choose its name, and take that of another who
  // has gone, but not its route. Who has a longer name than ZeroMQ's own sockets can have is not
  // heard, and over tcp is cut.
  bool receive(std::string& route, std::string& frame);
  // Of a socket at a tcp address: as Listener has them.
  std::size_t cut_floods(core::Time now);
  core::Deadline next_look() const {
    return flood_guard_ ? flood_guard_->next_look() : std::nullopt;
  }
  // All that the connection of this route has said is there to be received: ZeroMQ tells of its end
  // when it has read the last of it.
  bool has_ended(std::string_view route);
  // Readable when connections come or go.
  int events_fd() const { return events_fd_; }
  void hear_events();
  std::uint64_t handshakes_failed() const { return handshakes_failed_; }
  Sent send(std::string_view route, std::string& frame);
  void forget(const std::string& route) {
    windows_.erase(numbered() ? route.substr(sizeof(std::uint64_t)) : route);
  }
  // What was sent leaves if its peers read it soon.
  void close();

 private:
  // One of which something was heard. All that comes through one connection, and
  // nothing else, refers to one block of ZeroMQ's memory. `first` refers to it too, so that no
  // later one is in its place. (Descriptors and names are used again, and what the one before has
  // said may be read after that.)
  using Origin = const void*;
  struct Connection {
    std::uint64_t number = 0;
    int fd = -1;  // -1: it has ended
    std::string name;
    zmq::message_t first;  // of the messages
  };
  struct Window;
  struct Parcel;
  static void sent_parcel(void*, void* hint);

  void take_options(const core::Limits& limits);
  // `place`: where ZeroMQ tells of them; one of each context's.
  void watch_connections(zmq::context_t& context, const std::string& place);
  // Whether routes begin with the numbers of connections: at a tcp address.
  bool numbered() const { return flood_guard_.has_value(); }
  void hear_of(int fd, bool accepted);
  void end(Origin origin);
  // Of the connection that this part of a message came by.
  std::uint64_t number_of(std::string_view name, zmq::message_t& part);
  Connection* connection_of(std::string_view name, zmq::message_t& part);
  Sent send_to(std::string_view route, std::string& frame);
  // ZeroMQ's name of the peer, if it still stands for the connection of this route.
  std::optional<std::string_view> name_of(std::string_view route);
  zmq::message_t message_of(std::string_view route, std::string& frame);

  const NotifierPtr notifier_;
  zmq::socket_t socket_;
  int fd_ = -1;
  std::optional<zmq::socket_t> events_;  // ZeroMQ's own, of connections that come and go
  int events_fd_ = -1;
  std::optional<FloodGuard> flood_guard_;
  std::uint64_t last_connection_ = 0;
  std::uint64_t handshakes_failed_ = 0;
  std::unordered_map<Origin, Connection> connections_;
  // Of the descriptors that are open. (More than one is heard of only where another had the
  // descriptor before, and ended unheard: which one it was, nobody says.)
  std::unordered_map<int, std::vector<Origin>> origins_;
  std::unordered_map<std::string, std::uint64_t> numbers_;  // of those that have not ended, by name
  std::deque<Origin> last_words_;                           // those that ended last
  std::unordered_map<std::string, std::shared_ptr<Window>> windows_;
};

}  // namespace steward::detail::server
