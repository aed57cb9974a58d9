// Many who come to a Listener at once: who has to go, who waits, and who is told.
#include <sys/resource.h>

#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/auth_key.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/limits.hpp>
#include <steward/pipe/greeting.hpp>
#include <steward/pipe/listener.hpp>
#include <steward/pipe/wrong_keys.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/error_text.hpp>
#include <steward/tests/manager/scratch.hpp>
#include <steward/tests/pipe/insider.hpp>
#include <steward/tests/pipe/placed_calls.hpp>
#include <steward/tests/pipe/raw_tcp.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using detail::test::Insider;
using detail::test::RawTcp;
using detail::test::text_of;

// The word of the listener, encrypted: that of who is in has no bytes.
constexpr std::size_t kWordBytes = 2 + 17 + 4;

std::vector<RawTcp> strangers(const std::string& address, std::size_t count) {
  std::vector<RawTcp> silent;
  for (std::size_t i = 0; i < count; ++i) {
    silent.emplace_back(address);
    silent.back().says("stew");
  }
  return silent;
}

TEST(Crowd, StrangersInAnyNumberDoNotPushOutWhoHoldsTheKey) {
  const std::string key = generate_key();
  Listener listener("tcp://127.0.0.1:0", {.key = key});
  Insider distant(listener.address(), key);
  auto silent = strangers(listener.address(), 2 * detail::core::Limits().handshakes);
  EXPECT_EQ(silent.front().hears_all(), "") << "they are as many as they can be";
  EXPECT_EQ(silent[silent.size() / 2 - 5].hears_all(), "");
  distant.begin();
  distant.prove();
  EXPECT_EQ(distant.raw().hears(kWordBytes).size(), kWordBytes);
  EXPECT_TRUE(listener.try_accept<int>());
}

TEST(Crowd, NeitherWhereDescriptorsRunOut) {
  const std::string key = generate_key();
  detail::test::Forked child([&](int out) {
    Listener listener("tcp://127.0.0.1:0", {.key = key});
    const rlimit few{40, 40};
    ::setrlimit(RLIMIT_NOFILE, &few);
    ::dprintf(out, "%s\n", listener.address().c_str());
    auto far = listener.accept<int>();
    ::dprintf(out, "in\n");
    ::poll(nullptr, 0, -1);
    return 0;
  });
  const std::string address = child.line();
  Insider distant(address, key);
  auto silent = strangers(address, 100);
  EXPECT_EQ(silent.front().hears_all(), "");
  distant.begin();
  distant.prove();
  EXPECT_EQ(distant.raw().hears(kWordBytes).size(), kWordBytes);
  silent.clear();
  EXPECT_EQ(child.line(), "in");
}

TEST(Crowd, AHelloThatWasRecordedHoldsOnePlace) {
  const std::string key = generate_key();
  Listener listener("tcp://127.0.0.1:0", {.key = key});
  Insider first(listener.address(), key);
  for (int i = 0; i < 3; ++i) {
    RawTcp again(listener.address());
    again.says(first.hello());
    EXPECT_EQ(again.hears_all(), "");
  }
  EXPECT_TRUE(first.raw().is_silent());
  first.begin();
  first.prove();
  EXPECT_EQ(first.raw().hears(kWordBytes).size(), kWordBytes);
}

// ---- Who waits to be accepted ----

TEST(Crowd, ALongBacklogHolds) {
  constexpr std::size_t kMany = 500;
  Listener listener("tcp://127.0.0.1:0", {.backlog = kMany});
  std::vector<Connection<std::size_t>> waiting;
  for (std::size_t i = 0; i < kMany; ++i) {
    waiting.push_back(Connection<std::size_t>::connect(listener.address(), {.timeout = 10s}));
    waiting.back().send(i);
  }
  EXPECT_THROW(Connection<int>::connect(listener.address(), {.timeout = 100ms}), Disconnected);
  for (std::size_t i = 0; i < kMany; ++i) {
    auto far = listener.accept_for<std::size_t>(10s);
    ASSERT_TRUE(far) << i;
    EXPECT_EQ(far->recv(), i) << "one after the other";
  }
  EXPECT_FALSE(listener.try_accept<int>());
}

TEST(Crowd, WordsOfTheAcceptedThatAreLostShortenNothing) {
  Listener listener("tcp://127.0.0.1:0", {.backlog = 2});
  detail::test::words_are_lost = true;
  for (int i = 0; i < 6; ++i) {
    auto near = Connection<int>::connect(listener.address(), {.timeout = 10s});
    near.send(i);
    EXPECT_EQ(listener.accept<int>().recv(), i);
  }
  detail::test::words_are_lost = false;
}

TEST(Crowd, AFullBacklogAtAPathIsNamedAsOne) {
  const detail::test::Scratch scratch;
  Listener listener("ipc://" + scratch.file("socket"), {.backlog = 1});
  std::vector<Connection<int>> waiting;
  const std::string text = text_of<Disconnected>([&] {
    for (int i = 0; i < 5; ++i) {
      waiting.push_back(Connection<int>::connect(listener.address(), {.timeout = 50ms}));
    }
  });
  EXPECT_EQ(text, "no Listener answers at " + listener.address() +
                      " in time: too many wait to be accepted");
}

// ---- Wrong keys ----

std::string told(const std::string& address, int count) {
  return "steward: the Listener at " + address + " has refused " + std::to_string(count) +
         (count == 1 ? " caller" : " callers") + " without its key\n";
}

TEST(Crowd, WhoComesWithoutTheKeyIsTold) {
  Listener listener("tcp://127.0.0.1:0", {.key = generate_key()});
  testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) {
    EXPECT_THROW(Connection<int>::connect(listener.address(), {.key = generate_key()}),
                 AuthenticationError);
  }
  EXPECT_THROW(Connection<int>::connect(listener.address()), AuthenticationError);
  listener.close();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), told(listener.address(), 1));
}

TEST(Crowd, OneLineAMinuteTellsOfAllOfThem) {
  detail::pipe::WrongKeys wrong("tcp://host:1");
  const detail::core::Time start = std::chrono::steady_clock::now();
  testing::internal::CaptureStderr();
  for (int second = 0; second <= 125; ++second) wrong.add(start + std::chrono::seconds(second));
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            told("tcp://host:1", 1) + told("tcp://host:1", 60) + told("tcp://host:1", 60));
}

}  // namespace
}  // namespace steward
