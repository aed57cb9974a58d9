// FloodGuard: finds the tcp peer that sends a message without end. ZeroMQ bounds each part of a
// message, but keeps any number of parts until the last one is there: so a stranger may fill all
// memory with one message, and nobody is told of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>

#include <sys/socket.h>

#include <steward/core/clock.hpp>

namespace steward::detail::server {

// The kernel counts what ZeroMQ has read from a connection, and the listener says when a whole
// message came out of it: what was read since is under way, if no whole messages wait to be taken.
// To read takes work, so nobody is asked before this process has worked.
//
// Thread safety: none; the loop's thread only. The descriptors are ZeroMQ's: those of connections
// that were closed meanwhile, of which nobody has told yet, are left alone.
class FloodGuard {
 public:
  // For tests: what connections are asked for, and how they end.
  struct Kernel {
    std::function<std::optional<std::uint64_t>(int fd)> bytes_received;
    std::function<void(int fd)> cut;
    std::function<core::Duration()> worked;  // this process, since its start
  };
  // Peers may have so many bytes of one message under way.
  explicit FloodGuard(std::size_t message_bytes);
  FloodGuard(std::size_t message_bytes, Kernel kernel);

  void accepted(int fd);
  void closed(int fd) { peers_.erase(fd); }
  // A whole message came through this connection.
  void delivered(int fd);
  // No whole message is left to be taken, of whomever.
  void found_nothing() { ++round_; }

  // Looks if it is time, and cuts those that were past the bound at an earlier look and have ended
  // no message since, though all that waited was taken. Says how many were cut since it last did.
  std::size_t look(core::Time now);
  // At once, for another reason.
  void cut(int fd);
  // nullopt: there is nobody to look at.
  core::Deadline next_look() const;

 private:
  struct Peer {
    sockaddr_storage name{};       // whose descriptor this was when it was accepted
    std::uint64_t whole = 0;       // bytes that had come when the last message was seen whole
    std::uint64_t over_round = 0;  // when it was seen past the bound; 0: it is not
    bool delivered = false;        // since it was asked last
  };

  void ask(int fd, Peer& peer);
  bool is_over(Peer& peer, std::uint64_t received);
  void cut(int fd, const Peer& peer);

  const std::size_t bound_;
  const Kernel kernel_;
  std::unordered_map<int, Peer> peers_;
  // ZeroMQ takes from its peers in turns: after so many messages each that had one was heard.
  std::size_t taken_ = 0;
  std::uint64_t round_ = 1;
  bool over_ = false;  // somebody is past the bound: to be asked again soon
  std::size_t cut_ = 0;
  core::Duration worked_{};  // when all were asked
  core::Time last_look_{};
};

}  // namespace steward::detail::server
