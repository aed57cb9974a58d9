// The peer below all others: a bare ZeroMQ ROUTER that echoes, and a DEALER that asks it. What
// ZeroMQ itself costs for frames of the size that a dict get has.
#pragma once

#include <memory>
#include <string>

#include <steward/bench/peer.hpp>
#include <steward/bench/scratch.hpp>

namespace steward::bench {

inline constexpr std::size_t kRequestBytes = 26;
inline constexpr std::size_t kReplyBytes = 10;

// How an end waits for its socket.
enum class Waiting : int {
  receive,  // in zmq_recv
  poll,     // in poll() on ZMQ_FD, as a library must that has other descriptors to watch
};

// The server's process. A resource.
class EchoServer {
 public:
  // `transport`: "ipc" or "tcp".
  EchoServer(const Scratch& scratch, const std::string& transport, Waiting waiting);

  const std::string& address() const { return server_.text(); }
  pid_t pid() const { return server_.pid(); }

 private:
  Peer server_;
};

// A client of it. Operations:
//   echo N       one at a time
//   echo_for MS  likewise, for that many milliseconds
//   stream N     N in all, `window` of them under way
std::unique_ptr<Peer> echo_client(const Scratch& scratch, const EchoServer& server,
                                  Waiting waiting, std::size_t window = 1);

// A process with `count` connections that each have been echoed to once, until it is destroyed.
std::unique_ptr<Peer> echo_crowd(const Scratch& scratch, const EchoServer& server,
                                 std::size_t count);

}  // namespace steward::bench
