// A server that the test itself drives, one pass of the loop at a time: nothing happens between two
// lines of a test that the test has not asked for.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/manager/server/class.hpp>
#include <steward/manager/server/server.hpp>
#include <steward/tests/server/loop/bare_client.hpp>

namespace steward::detail::test {

using namespace std::chrono_literals;

class LoopTest : public testing::Test {
 protected:
  void start(core::Limits limits = {}) {
    server::ServerOptions options;
    options.limits = limits;
    options.clock = [this] { return now(); };
    options.note = [this](std::string_view text) { notes.emplace_back(text); };
    server = std::make_unique<server::Server>(server::builtin_classes(), std::move(options));
  }

  core::Time now() const { return std::chrono::steady_clock::now() + skipped; }
  // Of a server that has ended only the last words are awaited.
  void step() {
    if (server->ended()) return poll_briefly();
    server->step(2ms);
  }
  BareClient::Pump pump() {
    return [this] { step(); };
  }
  template <class Done>
  bool eventually(Done&& done) {
    return test::eventually(pump(), done);
  }

  const std::string& address() const { return server->addresses().front(); }
  std::string directory() const { return server::directory_of(address()); }

  // Through the control socket, with a session.
  BareClient client() {
    BareClient client = BareClient::come_in(address(), pump());
    client.hello();
    return client;
  }

  // True once the server has closed this control socket.
  bool is_closed(const shm::UniqueFd& control) {
    const auto received = shm::receive_with_fds(control.get(), 4096, shm::Wait::none);
    return !received.would_block && !received.message;
  }

  std::chrono::seconds skipped{0};  // by which the server's clock is ahead
  std::vector<std::string> notes;
  std::unique_ptr<server::Server> server;
};

}  // namespace steward::detail::test
