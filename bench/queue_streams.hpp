// Messages on their way from producers to consumers, which are processes of their own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <unistd.h>

#include <steward/bench/queue_channels.hpp>
#include <steward/bench/queue_ends.hpp>
#include <steward/bench/scratch.hpp>

namespace steward::bench {

// All ends of queues of one kind: they are told "put_WHAT N" and "get_WHAT N". A resource.
class Stream {
 public:
  void add(Side side, std::unique_ptr<Peer> peer) {
    (side == Side::put ? producers_ : consumers_).push_back(std::move(peer));
  }
  // About `count` messages: as many as all can share evenly. Takes until the last is there.
  Run run(const std::string& what, std::size_t count);

  const std::vector<std::unique_ptr<Peer>>& producers() const { return producers_; }
  const std::vector<std::unique_ptr<Peer>>& consumers() const { return consumers_; }

 private:
  std::vector<std::unique_ptr<Peer>> producers_;
  std::vector<std::unique_ptr<Peer>> consumers_;
};

// Where channels of this run are, for those that need no server.
template <class Channel>
std::string place_of(const Scratch& scratch) {
  if constexpr (requires { Channel::remove("", ""); }) {
    return "steward-bench-" + std::to_string(::getpid());
  } else {
    return scratch.path(std::string("queue-") + Channel::kPeer);
  }
}

template <std::size_t... N, class F>
void for_each_size(std::index_sequence<N...>, F&& f) {
  (f(std::integral_constant<std::size_t, N>()), ...);
}

}  // namespace steward::bench
