#include <steward/bench/redis_connection.hpp>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <stdexcept>

namespace steward::bench {

RedisConnection::RedisConnection(const std::string& path)
    : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  connected_ = ::connect(fd_, generic, sizeof address) == 0;
}

RedisConnection::~RedisConnection() { ::close(fd_); }

void RedisConnection::send(std::string_view request) {
  while (!request.empty()) {
    const ssize_t size = ::send(fd_, request.data(), request.size(), MSG_NOSIGNAL);
    if (size <= 0) throw std::runtime_error("Redis has hung up");
    request.remove_prefix(static_cast<std::size_t>(size));
  }
}

// Into the answer from there; gives where it ends now.
std::size_t RedisConnection::receive(std::size_t at) {
  const ssize_t size = ::recv(fd_, answer_.data() + at, answer_.size() - at, 0);
  if (size <= 0) throw std::runtime_error("Redis has hung up");
  return at + static_cast<std::size_t>(size);
}

std::string_view RedisConnection::ask_for(std::string_view request, std::size_t bytes,
                                          std::string_view begin) {
  send(request);
  answer_.resize(bytes);
  for (std::size_t got = 0; got < bytes;) {
    got = receive(got);
    // An error is shorter or longer than what was expected: it must not be waited for.
    if (answer_[0] != begin[0]) throw std::runtime_error("Redis says " + answer_);
  }
  if (!answer_.starts_with(begin)) throw std::runtime_error("Redis says " + answer_);
  return answer_;
}

void RedisConnection::ask(std::string_view request, std::string_view reply) {
  static_cast<void>(ask_for(request, reply.size(), reply));
}

void RedisConnection::ask_line(std::string_view request) {
  send(request);
  constexpr std::size_t kLineMax = 512;
  answer_.resize(kLineMax);
  std::size_t end = 0;
  do {
    end = receive(end);
  } while (answer_[end - 1] != '\n');
  if (answer_[0] == '-') throw std::runtime_error("Redis says " + answer_.substr(0, end));
}

void append_redis_number(std::string& bytes, char sign, std::size_t number) {
  bytes += sign;
  bytes += std::to_string(number);
  bytes += "\r\n";
}

std::string redis_command(std::initializer_list<std::string_view> words) {
  std::string bytes;
  append_redis_number(bytes, '*', words.size());
  for (const std::string_view word : words) {
    append_redis_number(bytes, '$', word.size());
    bytes += word;
    bytes += "\r\n";
  }
  return bytes;
}

}  // namespace steward::bench
