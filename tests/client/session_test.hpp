// A session with a FakeManager over a FakeLink: what a test does to either, the session meets.
#pragma once

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/client/reference.hpp>
#include <steward/client/session.hpp>
#include <steward/core/errors.hpp>
#include <steward/tests/client/fake_link.hpp>
#include <steward/tests/client/fake_manager.hpp>

namespace steward::detail::test {

using namespace std::chrono_literals;

class SessionTest : public testing::Test {
 protected:
  static constexpr core::ObjectId kList{3};
  static constexpr std::string_view kAddress = "ipc:///fake/manager.sock";

  ~SessionTest() override {
    if (session) session->end(5s);
  }

  void start(ConnectOptions options = {}) {
    link = std::make_shared<FakeLink>([this](std::uint64_t connection, std::string frame) {
      if (lose_frames) return;
      for (std::string& answer : manager.take(connection, frame)) {
        link->deliver(connection, std::move(answer));
      }
    });
    link->connect();
    session = client::connect_over(link->transport(), manager.new_ticket(),
                                   {std::string(kAddress) + "?boot=x"}, options);
  }

  std::optional<std::string> call(std::string_view method,
                                  const std::vector<std::string>& args = {},
                                  client::Effect effect = client::Effect::change,
                                  core::Deadline deadline = std::nullopt) {
    client::CallOptions options;
    options.effect = effect;
    options.deadline = deadline;
    options.object_type = "list";
    return session->call(kList, method, arguments(args), options);
  }
  std::int64_t add(std::int64_t number) {
    return integer_of(call("add", {encoded(number)}).value());
  }
  std::int64_t echo(std::int64_t number) {
    return integer_of(call("echo", {encoded(number)}, client::Effect::read).value());
  }
  void post(std::string_view method, const std::vector<std::string>& args) {
    session->post(kList, method, arguments(args));
  }
  // In a thread of its own, under way when this returns.
  std::future<std::optional<std::string>> park(client::Effect effect,
                                               core::Deadline deadline = std::nullopt,
                                               bool confirm = false) {
    const std::size_t before = manager.runs("park");
    auto parked = std::async(std::launch::async, [=, this]() -> std::optional<std::string> {
      client::CallOptions options;
      options.effect = effect;
      options.deadline = deadline;
      options.confirm = confirm;
      options.object_type = "list";
      return session->call(kList, "park", arguments({}), options);
    });
    manager.wait_until([before](const FakeManager& seen) { return seen.runs("park") > before; });
    return parked;
  }

  // The text of the exception of this type that `what` throws.
  template <class Exception, class F>
  static std::string thrown(F&& what) {
    try {
      what();
    } catch (const Exception& exception) {
      return exception.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
  }

  std::atomic<bool> lose_frames = false;  // on their way to the manager
  FakeManager manager;
  std::shared_ptr<FakeLink> link;
  client::SessionPtr session;
};

}  // namespace steward::detail::test
