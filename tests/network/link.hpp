// Link: a stretch of network that a test can break. Listens at a port of its own, carries every
// connection on to a server's, and does to them what networks do.
//
// Thread safety: any thread may call any function. A thread of its own carries the bytes.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include <steward/shm/unique_fd.hpp>

namespace steward::detail::test {

class Link {
 public:
  enum class Way : int { to_server, to_client };

  // `server`: "tcp://127.0.0.1:port".
  explicit Link(const std::string& server);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link();

  // Where clients connect instead.
  const std::string& address() const { return address_; }

  // All connections break, and both sides are told. What was under way is lost.
  void cut();
  // Connections that come from now on break at once.
  void block(bool yes);
  // Nothing gets through this way; neither side is told, and what is under way waits.
  void stall(Way way, bool yes);
  // The connections that exist go dead: one side is told, the other talks to nobody, and is never
  // told. New ones are as always.
  enum class Told { client, server };
  void go_half_open(Told told);
  // Everything takes this much longer.
  void delay(std::chrono::milliseconds each_way);

  // Connections carried so far.
  int made() const;

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Chunk {
    Time due;
    std::string bytes;
  };
  // One direction of a connection.
  struct Stream {
    shm::UniqueFd* from;
    shm::UniqueFd* to;
    std::deque<Chunk> under_way;
  };
  struct Connection {
    shm::UniqueFd client;
    shm::UniqueFd server;
    Stream streams[2];
    bool dead = false;  // one end is gone and the other not told
  };

  void run();
  void wait();
  void accept();
  // False: it is over.
  bool carry(Connection& connection);
  bool take_in(Stream& stream);
  bool pass_on(Stream& stream, bool stalled);
  void wake() const;

  const int port_of_server_;
  shm::UniqueFd listener_;
  const shm::UniqueFd notifier_;
  std::string address_;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::list<Connection> connections_;
  bool blocked_ = false;
  bool stalled_[2] = {false, false};
  std::chrono::milliseconds delay_{0};
  int made_ = 0;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace steward::detail::test
