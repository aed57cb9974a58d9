// Relay: a thread between local sockets and a trunk. A connection over tcp is a local socket like
// any other for its user, who may wait for it, hand it to another process, and see its end; the
// relay carries its bytes to the far relay. docs/decisions/0012 says why.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <steward/client/channel.hpp>
#include <steward/client/held_ends.hpp>
#include <steward/client/trunk.hpp>
#include <steward/core/clock.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::client {

// Thread safety: run() is for one thread; leave() may be called by any other.
// Ownership: its trunk and its ends of the sockets, which are among `ends`. It ends when no
// connection is left and none can come.
class Relay {
 public:
  // Of a listener: the sockets of new connections go through `handoff`, a socket for descriptors,
  // where kAccepted comes back for each. No more than `backlog` are on the way. kEnough, or that
  // the other end is closed, ends it.
  static std::unique_ptr<Relay> of_listener(HeldEnds& ends, std::unique_ptr<Trunk> trunk,
                                            HeldEnds::End handoff, std::size_t backlog);
  static constexpr std::string_view kAccepted = "a";
  static constexpr std::string_view kEnough = "e";

  // Of one connection that stands, by the empty route.
  static std::unique_ptr<Relay> of_connection(HeldEnds& ends, std::unique_ptr<Trunk> trunk,
                                              HeldEnds::End local);

  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay();

  void run();
  // No further connections, and what users have sent by now is their last word: run() returns once
  // the far sides have it.
  void leave();

 private:
  struct Line {
    std::string route;
    std::unique_ptr<Channel> channel;
    std::uint32_t watched = 0;   // what epoll was told, 0: nothing
    bool end_said = false;
  };
  using Lines = std::map<std::uint64_t, Line>;

  Relay(HeldEnds& ends, std::unique_ptr<Trunk> trunk);

  bool take_in();
  void on_event(TrunkEvent& event);
  void on_frame(Line& line, const TrunkFrame& frame);
  void open(const std::string& route);
  Line& add(std::string route, HeldEnds::End local);
  // Says everything that can be said now. False: the line is over.
  bool advance(Line& line);
  void advance(std::uint64_t id);
  bool say(Line& line, const TrunkFrame& frame);
  void wait(bool drained);
  void probe();
  void on_bell();
  void on_handoff();
  void stop_listening();
  void tell_of_place();
  std::vector<std::uint64_t> ids() const;  // of all lines
  void watch(int fd, std::uint64_t id);
  void watch_as_needed(std::uint64_t id, Line& line);

  HeldEnds& ends_;
  std::unique_ptr<Trunk> trunk_;
  const shm::UniqueFd bell_;  // an eventfd
  const shm::UniqueFd epoll_;
  HeldEnds::End handoff_;  // of a listener: closed once the trunk is gone, or will not go soon
  bool listening_ = false;
  std::size_t backlog_ = 0;
  std::size_t waiting_ = 0;  // to be accepted
  Lines lines_;
  std::unordered_map<std::string, std::uint64_t> by_route_;
  std::uint64_t last_id_;
  core::Time next_probe_;
};

}  // namespace steward::client
