// FloodGuard: finds the tcp peer that sends a message without end. ZeroMQ bounds each part of a
// message, but keeps any number of parts until the last one is there: so a stranger may fill all
// memory with one message, and nobody is told of it. An empty part has two bytes on the wire, and
// takes a hundred here.
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
//
// Thread safety: none; the loop's thread only. The descriptors are ZeroMQ's: those of connections
// that were closed meanwhile, of which nobody has told yet, are left alone.
class FloodGuard {
 public:
  // For tests: what connections are asked for, and how they end.
  struct Kernel {
    std::function<std::optional<std::uint64_t>(int fd)> bytes_received;
    std::function<void(int fd)> cut;
    std::function<std::size_t()> resident;  // bytes of this process that are in memory
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

  // Looks if it is time, and cuts those that are past the bound; and whoever has much under way, if
  // memory grows by more than that and all messages explain, of which there were so many bytes, in
  // and out, since the start. Says how many it has cut.
  std::size_t look(core::Time now, std::uint64_t moved);
  // nullopt: there is nobody to look at.
  core::Deadline next_look() const;

 private:
  struct Peer {
    sockaddr_storage name{};        // whose descriptor this was when it was accepted
    std::uint64_t whole = 0;        // bytes that had come when the last message was seen whole
    std::uint64_t since_round = 0;  // when it was seen first that much has come since; 0: not yet
    bool delivered = false;         // since the last look
    std::uint64_t under_way = 0;    // as it was seen last
  };

  std::uint64_t under_way(int fd, Peer& peer);
  bool grows_unexplained(std::uint64_t under_way, std::uint64_t moved);
  bool cut(int fd, Peer& peer);

  const std::size_t bound_;
  const Kernel kernel_;
  std::unordered_map<int, Peer> peers_;
  // ZeroMQ takes from its peers in turns: after so many messages each that had one was heard.
  std::size_t taken_ = 0;
  std::uint64_t round_ = 1;
  bool close_ = false;  // somebody has much under way: to be looked at soon
  // While that is so, at the last look.
  std::size_t resident_ = 0;
  std::uint64_t moved_ = 0;
  std::uint64_t under_way_ = 0;
  std::uint64_t unexplained_ = 0;
  core::Time last_look_{};
};

}  // namespace steward::detail::server
