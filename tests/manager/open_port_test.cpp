// Who may come in where there is no key is said, and managers and Listeners are told apart.
#include <chrono>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include <steward/core/tcp_address.hpp>
#include <steward/steward.hpp>
#include <steward/tests/error_text.hpp>
#include <steward/tests/process/support.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using detail::test::text_of;

// What `start` says on standard error, of a server that it starts as well.
std::string said_by(const std::function<void()>& start) {
  const detail::test::Pipe errors;
  const int code = detail::test::in_fork([&] {
    const detail::test::Redirected all(2, errors.writer_fd());
    start();
    detail::test::write_to(2, "that was all\n");
    return 0;
  });
  EXPECT_EQ(code, 0);
  std::string said;
  for (std::string line; (line = errors.read_line()) != "that was all\n";) said += line;
  return said;
}

TEST(OpenPort, AListenerWithoutAKeySaysWhoMayConnect) {
  EXPECT_EQ(said_by([] { Listener("tcp://127.0.0.1:0"); }),
            "steward: every user of this host may connect to this Listener: give it a key to keep "
            "others out\n");
  EXPECT_EQ(said_by([] { Listener("tcp://127.0.0.1:0", {.key = generate_key()}); }), "");
  EXPECT_EQ(said_by([] { EXPECT_THROW(Listener("tcp://*:0"), BadCall); }), "");
}

TEST(OpenPort, AManagerWithoutAKeySaysWhoMayUseIt) {
  EXPECT_EQ(said_by([] { Manager(ManagerOptions{.address = "tcp://127.0.0.1:0"}); }),
            "steward: every user of this host may use this manager: give it a key to keep others "
            "out\n");
  EXPECT_EQ(said_by([] {
              Manager(ManagerOptions{.address = "tcp://127.0.0.1:0", .key = generate_key()});
            }),
            "");
  EXPECT_EQ(said_by([] { Manager(); }), "");
}

TEST(OpenPort, AManagerIsNoListenerAndAListenerNoManager) {
  for (const std::string& key : {std::string(), generate_key()}) {
    Manager manager(ManagerOptions{.address = "tcp://127.0.0.1:0", .key = key});
    EXPECT_EQ(text_of<Disconnected>([&] {
                Connection<int>::connect(manager.address(), {.key = key, .timeout = 1h});
              }),
              "what answers at " + manager.address() +
                  " is a manager, or another ZeroMQ socket, and no Listener");
    Listener listener("tcp://127.0.0.1:0", {.key = key});
    EXPECT_THROW(Manager::connect(listener.address(), {.key = key, .timeout = 300ms}),
                 std::runtime_error);
    auto near = Connection<int>::connect(listener.address(), {.key = key});
    near.send(4);
    EXPECT_EQ(listener.accept<int>().recv(), 4);
  }
}

}  // namespace
}  // namespace steward
