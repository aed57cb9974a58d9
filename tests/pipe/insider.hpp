// Insider: a peer of a Listener that holds its key, and does not do what it should.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include <steward/core/auth_stream.hpp>
#include <steward/pipe/greeting.hpp>
#include <steward/pipe/listener.hpp>
#include <steward/tests/pipe/raw_tcp.hpp>

namespace steward::detail::test {

// Says its hello, hears the reply, and seals what it likes.
class Insider {
 public:
  Insider(const Listener& listener, const std::string& key) : Insider(listener.address(), key) {
    begin();
  }
  // Has still to begin().
  Insider(const std::string& address, const std::string& key)
      : raw_(address), secret_(pipe::secret_of(key)), hello_(pipe::make_hello(secret_)) {
    raw_.says(hello_.bytes);
    const std::string reply = raw_.hears(pipe::kReplyBytes);
    if (reply.size() < pipe::kReplyBytes) return;  // begin() fails
    cipher_ = std::move(pipe::read_reply(reply, hello_, secret_).cipher);
  }
  void begin() { raw_.says(cipher_.value().begin()); }

  static std::string with_length(const std::string& bytes) {
    std::string record{static_cast<char>(bytes.size() >> 8U), static_cast<char>(bytes.size())};
    return record + bytes;
  }
  // A record.
  std::string sealed(const std::string& plain) {
    std::string bytes;
    cipher_.value().seal(plain, bytes);
    return with_length(bytes);
  }
  void says(const std::string& plain) { raw_.says(sealed(plain)); }
  void prove() { says(std::string(4, '\0')); }
  // The bytes of its hello.
  const std::string& hello() const { return hello_.bytes; }
  RawTcp& raw() { return raw_; }

 private:
  RawTcp raw_;
  pipe::Secret secret_;
  pipe::Hello hello_;
  std::optional<core::StreamCipher> cipher_;
};

}  // namespace steward::detail::test
