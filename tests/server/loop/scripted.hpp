// A server whose listener and clock the test has in its hands: what comes, when, and when time
// passes meanwhile.
#pragma once

#include <sys/eventfd.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/manager/server/server.hpp>
#include <steward/tests/server/loop/bare_client.hpp>

namespace steward::detail::test {

// What a listener does; a test changes it between passes, or in the hooks.
struct Script {
  std::deque<server::Arrival> arrivals;
  std::function<void(server::Arrival&)> received = [](server::Arrival&) {};  // one of them
  std::function<bool()> readable = [this] { return !arrivals.empty(); };
  std::function<bool(const std::string&)> has_ended = [](const std::string&) { return true; };
  std::function<server::Sent(const std::string&)> send = [](const std::string&) {
    return server::Sent::sent;
  };
  std::vector<std::pair<std::string, std::string>> sent;  // routes and frames
  bool wakes = true;  // no pass sleeps; to be said before the server begins
};

class ScriptedListener final : public server::Listener {
 public:
  explicit ScriptedListener(Script& script) : script_(script) {}

  std::vector<int> fds() const override { return {fd_.get()}; }
  bool readable() override { return script_.readable(); }
  bool receive(server::Arrival& arrival) override {
    if (script_.arrivals.empty()) return false;
    arrival = std::move(script_.arrivals.front());
    script_.arrivals.pop_front();
    script_.received(arrival);
    return true;
  }
  bool has_ended(const std::string& route) override { return script_.has_ended(route); }
  server::Sent send(const std::string& route, std::string& frame) override {
    const server::Sent result = script_.send(route);
    if (result == server::Sent::sent) script_.sent.emplace_back(route, std::move(frame));
    return result;
  }
  void forget(const std::string&) override {}
  const std::vector<std::string>& addresses() const override { return addresses_; }
  void close() override {}

 private:
  Script& script_;
  const shm::UniqueFd fd_{::eventfd(script_.wakes ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK)};
  const std::vector<std::string> addresses_{"scripted:"};
};

// A client's end of a scripted connection.
class ScriptedWire final : public Wire {
 public:
  ScriptedWire(Script& script, std::string route, server::Peer peer)
      : script_(script), route_(std::move(route)), peer_(peer) {}
  void send(std::string_view frame) override {
    script_.arrivals.push_back({route_, std::string(frame), peer_});
  }
  std::optional<std::string> receive() override {
    for (auto place = script_.sent.begin(); place != script_.sent.end(); ++place) {
      if (place->first != route_) continue;
      std::string frame = std::move(place->second);
      script_.sent.erase(place);
      return frame;
    }
    return std::nullopt;
  }

 private:
  Script& script_;
  const std::string route_;
  const server::Peer peer_;
};

class ScriptedTest : public testing::Test {
 protected:
  void start(core::Limits limits = {}) {
    server::ServerOptions options;
    options.limits = limits;
    options.clock = [this] { return time += tick; };
    options.note = [this](std::string_view text) { notes.emplace_back(text); };
    auto with_control = std::make_unique<server::Directory>();
    directory = with_control->path();
    server = std::make_unique<server::Server>(std::move(with_control),
                                              std::make_unique<ScriptedListener>(script),
                                              server::builtin_classes(), std::move(options));
  }
  void step() { server->step(std::chrono::milliseconds(0)); }
  // Until the loop has nothing to do.
  void rest() {
    for (int i = 0; i < 3 || !script.arrivals.empty(); ++i) step();
  }
  BareClient connect(std::string route, server::Peer peer = server::Peer::vouched,
                     std::string ticket = {}) {
    BareClient client(std::make_unique<ScriptedWire>(script, std::move(route), peer),
                      [this] { step(); });
    client.entrance.ticket = std::move(ticket);
    client.hello();
    return client;
  }

  Script script;
  core::Time time = core::Time{} + std::chrono::hours(1);
  core::Duration tick{};  // that passes whenever somebody asks
  std::string directory;
  std::vector<std::string> notes;
  std::unique_ptr<server::Server> server;
};

}  // namespace steward::detail::test
