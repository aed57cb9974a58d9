// Meddler: a port that leads to another one. What goes through may be kept, changed and left out on
// the way, in whole records where it is encrypted.
#pragma once

#include <atomic>
#include <functional>
#include <initializer_list>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/socket.h>

#include <steward/core/auth_stream.hpp>
#include <steward/pipe/greeting.hpp>
#include <steward/tests/pipe/raw_tcp.hpp>

namespace steward::detail::test {

class Meddler {
 public:
  // What becomes of one record, the number `index` of this direction (the first is 0, in the
  // greeting): the pieces that go on instead.
  using Change = std::function<std::vector<std::string>(std::size_t index, std::string record)>;
  static std::vector<std::string> leave(std::size_t, std::string record) {
    return {std::move(record)};
  }

  // For one connection to `where`, with a key.
  explicit Meddler(std::string where, Change to_listener = leave, Change to_caller = leave)
      : where_(std::move(where)), thread_([this, to_listener, to_caller] {
          RawTcp caller = port_.accept();
          RawTcp listener(where_);
          std::thread back([&] {
            pass(listener, caller, {detail::pipe::kReplyBytes}, said_by_listener, to_caller);
          });
          pass(caller, listener, {detail::pipe::kHelloBytes, core::StreamCipher::kBeginBytes},
               said_by_caller, to_listener);
          back.join();
        }) {}
  Meddler(const Meddler&) = delete;
  Meddler& operator=(const Meddler&) = delete;
  ~Meddler() { join(); }

  const std::string& address() const { return port_.address(); }
  // Until both sides have ended; then what they had said can be read.
  void join() {
    if (thread_.joinable()) thread_.join();
  }

  std::string said_by_caller;
  std::string said_by_listener;

 private:
  static void pass(RawTcp& from, RawTcp& to, std::initializer_list<std::size_t> greeting,
                   std::string& said, const Change& change) {
    const auto hear = [&](std::size_t size) {
      std::string bytes = from.hears(size);
      said += bytes;
      return bytes;
    };
    for (const std::size_t size : greeting) to.says(hear(size));
    for (std::size_t index = 0;; ++index) {
      std::string record = hear(2);
      if (record.size() < 2) break;
      const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(record[i]); };
      record += hear(static_cast<std::size_t>(byte(0)) << 8U | byte(1));
      for (const std::string& piece : change(index, record)) to.says(piece);
    }
    ::shutdown(to.fd(), SHUT_WR);
    ::shutdown(from.fd(), SHUT_RD);
  }

  std::string where_;
  RawPort port_;
  std::thread thread_;
};

}  // namespace steward::detail::test
