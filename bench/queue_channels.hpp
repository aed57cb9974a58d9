// The queues that Steward's is compared with, all in one shape: a channel carries messages of one
// size one way, between processes that open it by the same place and name. `where` tells which run
// it belongs to: a prefix of names, or a path.
//
// Each is a resource, used by one thread. Names of theirs are removed by Names, as soon as all ends
// are open: what is mapped lives on without.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <steward/bench/queue_message.hpp>

namespace steward::bench {

enum class Side { put, get };

// Where a channel is found, and what it carries.
struct ChannelSpec {
  std::string where;
  std::string name;
  std::size_t bytes = 0;  // of each message
  Side side = Side::put;

  std::size_t capacity() const { return capacity_for(bytes); }
};

// Boost.Interprocess message_queue; any number of producers and consumers.
class BoostQueue {
 public:
  static constexpr const char* kPeer = "boost";
  static constexpr const char* kOver = "shm";
  using CarriedSizes = Sizes;

  explicit BoostQueue(const ChannelSpec& spec);
  BoostQueue(const BoostQueue&) = delete;
  BoostQueue& operator=(const BoostQueue&) = delete;
  ~BoostQueue();

  void send(const void* bytes, std::size_t size);
  void receive(void* bytes, std::size_t size);
  static void remove(const std::string& where, const std::string& name);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A POSIX message queue, as large as the system lets it be: see open_limit().
class PosixQueue {
 public:
  static constexpr const char* kPeer = "posix";
  static constexpr const char* kOver = "mq";
  using CarriedSizes = std::index_sequence<64>;

  explicit PosixQueue(const ChannelSpec& spec);
  PosixQueue(const PosixQueue&) = delete;
  PosixQueue& operator=(const PosixQueue&) = delete;
  ~PosixQueue();

  void send(const void* bytes, std::size_t size);
  void receive(void* bytes, std::size_t size);
  static void remove(const std::string& where, const std::string& name);
  // How many messages a queue of that spec would hold here; 0: there are no such queues.
  static std::size_t capacity(const ChannelSpec& spec);

 private:
  int queue_;
};

// A Unix socket that keeps messages apart. The getting side must be there first.
class PacketSocket {
 public:
  static constexpr const char* kPeer = "socket";
  static constexpr const char* kOver = "unix";
  // The kernel does not send 1 MiB in one packet.
  using CarriedSizes = std::index_sequence<8, 64, 256, 1024, 4096, 65'536>;

  explicit PacketSocket(const ChannelSpec& spec);
  PacketSocket(const PacketSocket&) = delete;
  PacketSocket& operator=(const PacketSocket&) = delete;
  ~PacketSocket();

  void send(const void* bytes, std::size_t size);
  void receive(void* bytes, std::size_t size);

 private:
  int listening_ = -1;
  int fd_ = -1;
};

// ZeroMQ's PUSH and PULL over ipc, each with a context of its own. Both ends hold as many messages
// as the capacity says: there is no other way to tell it.
class PushPull {
 public:
  static constexpr const char* kPeer = "zeromq";
  static constexpr const char* kOver = "ipc";
  using CarriedSizes = Sizes;

  explicit PushPull(const ChannelSpec& spec);
  PushPull(const PushPull&) = delete;
  PushPull& operator=(const PushPull&) = delete;
  ~PushPull();

  void send(const void* bytes, std::size_t size);
  void receive(void* bytes, std::size_t size);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A list in Redis, `where` being the server's socket: LPUSH and BRPOP, one at a time. Unbounded.
class RedisList {
 public:
  static constexpr const char* kPeer = "redis";
  static constexpr const char* kOver = "unix";
  using CarriedSizes = std::index_sequence<64>;

  explicit RedisList(const ChannelSpec& spec);
  RedisList(const RedisList&) = delete;
  RedisList& operator=(const RedisList&) = delete;
  ~RedisList();

  void send(const void* bytes, std::size_t size);
  void receive(void* bytes, std::size_t size);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Removes the names that channels have in the system, if they have any. A resource: to be kept
// while their ends are opened.
template <class Channel>
class Names {
 public:
  Names(std::string where, std::vector<std::string> names)
      : where_(std::move(where)), names_(std::move(names)) {}
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;
  ~Names() {
    if constexpr (requires { Channel::remove(where_, where_); }) {
      for (const std::string& name : names_) Channel::remove(where_, name);
    }
  }

 private:
  std::string where_;
  std::vector<std::string> names_;
};

}  // namespace steward::bench
