// Steward itself, as a peer among peers: its server, and clients of it in processes of their own.
#pragma once

#include <memory>
#include <string>

#include <steward/bench/peer.hpp>
#include <steward/bench/scratch.hpp>
#include <steward/steward.hpp>

namespace steward::bench {

// A manager with the objects that the clients use, by name. A resource.
class Subject {
 public:
  // `transport`: "ipc" or "tcp".
  explicit Subject(const std::string& transport);

  const std::string& address() const { return manager_.address(); }
  pid_t pid() const { return manager_.pid(); }

 private:
  Manager manager_;
  Dict<std::string, int> ages_;
};

// A client through the public API. Operations, each N times, one call after the other:
//   dict_get dict_set list_append queue_pair lock_pair
//   dict_get_for MS  for that many milliseconds
//   dict_get_each    more[0] and more[1]: 50th and 99th percentile of one call, in us
//   dict_get_threads by kThreads threads at once
std::unique_ptr<Peer> steward_client(const Scratch& scratch, const Subject& subject);
inline constexpr std::size_t kThreads = 16;

// A client by raw envelopes. Operations: stream N, dict gets of which `window` are under way,
// `group` in an envelope.
std::unique_ptr<Peer> raw_client(const Scratch& scratch, const Subject& subject,
                                 std::size_t window, std::size_t group);

// A process with `count` idle sessions, until it is destroyed.
std::unique_ptr<Peer> steward_crowd(const Scratch& scratch, const Subject& subject,
                                    std::size_t count);

}  // namespace steward::bench
