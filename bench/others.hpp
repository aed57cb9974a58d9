// Peers that are programs of their own: Redis and CPython's multiprocessing.Manager. Each may be
// missing.
#pragma once

#include <memory>
#include <string>

#include <steward/bench/peer.hpp>
#include <steward/bench/scratch.hpp>

namespace steward::bench {

// CPython's Manager and a client of it (bench/peers/manager.py). Operations as of a steward_client:
//   dict_get dict_set list_append queue_pair lock_pair
// nullptr: there is no python3.
std::unique_ptr<Peer> python_client(const Scratch& scratch);

// CPython's queues between its own processes (bench/peers/queues.py). Operations, each N messages:
//   queue_BYTES    multiprocessing.Queue, 1 producer 1 consumer
//   managed_BYTES  Manager().Queue, the same
//   queue_many     multiprocessing.Queue, 4 producers 4 consumers; N is a multiple of 4
// nullptr: there is no python3.
std::unique_ptr<Peer> python_queues(const Scratch& scratch);

// CPython's Pool of two workers (bench/peers/pool.py). Operations:
//   map map_one apply   N calls of a function: in chunks, in chunks of one, one at a time
//   start_pool          starts of a pool of 4
//   process             starts and ends of a process
// nullptr: there is no python3.
std::unique_ptr<Peer> python_pool(const Scratch& scratch);

// A Redis server on a Unix socket, without persistence. A resource.
class Redis {
 public:
  // Throws std::runtime_error if there is no redis-server or it does not start.
  explicit Redis(const Scratch& scratch);
  Redis(const Redis&) = delete;
  Redis& operator=(const Redis&) = delete;
  ~Redis();

  const std::string& socket() const { return socket_; }

 private:
  std::string socket_;
  Process server_;
};

bool has_redis();

// A client of it. Operations:
//   dict_get dict_set list_append   GET, SET, RPUSH; one at a time
//   stream N                        GETs, `window` of them written at once
std::unique_ptr<Peer> redis_client(const Scratch& scratch, const Redis& redis,
                                   std::size_t window = 1);

// GETs by redis-benchmark with 50 clients and a pipeline of 16; 0 calls: it is not installed.
Run redis_benchmark(const Redis& redis, std::size_t count);

}  // namespace steward::bench
