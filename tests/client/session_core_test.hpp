// A SessionCore with nothing around it: frames are bytes, time is a number.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <steward/client/session/core.hpp>
#include <steward/tests/client/fake_manager.hpp>

namespace steward::detail::test {

using namespace std::chrono_literals;

// Records how its call ended.
struct Told final : client::Completion {
  void done(client::Outcome outcome) noexcept override {
    ++times;
    this->outcome = std::move(outcome);
  }
  bool ended() const { return times > 0; }
  client::Outcome::End end() const { return outcome.end; }

  int times = 0;
  client::Outcome outcome;
};

class SessionCoreTest : public testing::Test {
 protected:
  using End = client::Outcome::End;
  static constexpr core::ObjectId kList{3};

  // `anew`: whether a lost session may be followed by another one.
  explicit SessionCoreTest(bool anew = true)
      : session({"the manager", manager.new_ticket(), manager.incarnation(), 10s, anew,
                 [this] { return std::string(16, static_cast<char>(++nonces)); }}) {}

  // Everything that the core wants sent goes to the manager, whose answers come back at once.
  void flow() {
    while (const auto frame = session.front()) {
      const std::string bytes = std::string(frame->head).append(frame->body);
      session.sent();
      frames.push_back(bytes);
      if (silent) continue;
      for (const std::string& answer : manager.take(connection, bytes)) session.frame(answer, now);
      session.tick(now);
    }
  }
  void connect() {
    ++connection;
    session.connected(now);
    flow();
  }
  void reconnect() {
    session.connection_lost(now);
    connect();
  }
  void wait(core::Duration time) {
    now += time;
    session.tick(now);
    flow();
  }

  void start(Told& told, std::string_view method, const std::vector<std::string>& args = {},
             client::Effect effect = client::Effect::change, core::Deadline deadline = {}) {
    const std::string packed = arguments(args);
    client::CallRequest request;
    request.object = kList;
    request.method = method;
    request.args = packed;
    request.thread = thread;
    request.effect = effect;
    request.deadline = deadline;
    request.confirm = confirm;
    request.settled_later = settled_later;
    request.parks = parks;
    request.aside = aside;
    session.start(request, {"list", kList, method}, told, now);
  }
  void post(std::string_view method, const std::vector<std::string>& args) {
    const std::string packed = arguments(args);
    client::CallRequest request;
    request.object = kList;
    request.method = method;
    request.args = packed;
    request.thread = thread;
    session.post(request, now);
  }
  // What the manager says when it answers the oldest parked call.
  void release(std::string_view result) { session.frame(manager.release_parked(result), now); }

  FakeManager manager;
  core::Time now = core::Time{} + 1h;
  std::uint64_t connection = 0;
  unsigned nonces = 0;
  bool silent = false;  // what is sent is lost
  bool confirm = false;
  bool settled_later = false;
  bool parks = false;
  bool aside = false;
  core::ThreadNumber thread = 1;
  std::vector<std::string> frames;
  client::SessionCore session;
};

}  // namespace steward::detail::test
