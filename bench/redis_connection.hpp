// Redis' protocol, without a library for it.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

namespace steward::bench {

// A connection to a server's Unix socket; one request at a time. A resource.
class RedisConnection {
 public:
  explicit RedisConnection(const std::string& path);
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;
  ~RedisConnection();
  bool connected() const { return connected_; }

  // Writes `request` and reads as many bytes as `reply` has, which they must be.
  void ask(std::string_view request, std::string_view reply);
  // One whose reply has so many bytes and begins as `begin`; valid until the next request.
  std::string_view ask_for(std::string_view request, std::size_t bytes, std::string_view begin);
  // One whose reply is of unknown length, but surely one line.
  void ask_line(std::string_view request);

 private:
  void send(std::string_view request);
  std::size_t receive(std::size_t at);

  int fd_;
  bool connected_ = false;
  std::string answer_;
};

// A number in the protocol, behind the sign of what it stands for.
void append_redis_number(std::string& bytes, char sign, std::size_t number);
std::string redis_command(std::initializer_list<std::string_view> words);

}  // namespace steward::bench
