// FakeLink: a connection in memory that behaves as ZeroMQ's: what is sent while it is down is
// refused, what is under way when it breaks is lost, and its descriptor tells of arrivals by edges
// only, which every send, receive and prepare_to_sleep() swallows.
//
// Thread safety: everything may be called from any thread. Ownership: shared by the transport and
// the test.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <steward/client/transport/transport.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::test {

class FakeLink : public std::enable_shared_from_this<FakeLink> {
 public:
  // Gets each frame and the number of its connection. Called in the sender's thread, outside of the
  // link's lock.
  using Receiver = std::function<void(std::uint64_t connection, std::string frame)>;

  explicit FakeLink(Receiver receiver);

  std::unique_ptr<client::Transport> transport();

  void connect();
  void cut();
  // Both at once: the session sees the cut only when it is repaired.
  void replace() {
    cut();
    connect();
  }
  // To the client, if that connection still stands.
  void deliver(std::uint64_t connection, std::string frame);
  // On the connection that stands.
  void deliver(std::string frame);
  // Whether frames are taken as soon as there is a connection, before the client has seen that.
  // ZeroMQ may do that; by default the link does not.
  void take_early(bool early);
  // No frame is taken, as if a queue were full.
  void stall(bool stalled);

  std::uint64_t connection() const;

 private:
  class Socket;
  void ring();
  void swallow_edge();

  const Receiver receiver_;
  const shm::UniqueFd notifier_;

  mutable std::mutex mutex_;
  std::uint64_t connection_ = 0;
  bool up_ = false;
  bool seen_ = false;  // the client knows of the connection
  bool early_ = false;
  bool stalled_ = false;
  bool notified_ = false;
  std::deque<std::string> frames_;
  std::deque<client::Arrival> events_;
};

}  // namespace steward::detail::test
