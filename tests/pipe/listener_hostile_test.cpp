// What no Connection says, to Listeners that are up.
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/client/unix_socket.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/limits.hpp>
#include <steward/pipe/greeting.hpp>
#include <steward/pipe/listener.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/client/seed.hpp>
#include <steward/tests/manager/scratch.hpp>
#include <steward/tests/pipe/raw_tcp.hpp>

namespace {

// Placed faults: so many of the next calls of epoll_ctl(EPOLL_CTL_ADD) fail.
std::atomic<int> failing_watches = 0;

}  // namespace

// Instead of the C library's.
extern "C" int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
  if (operation == EPOLL_CTL_ADD && failing_watches > 0 && failing_watches-- > 0) {
    errno = ENOMEM;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_epoll_ctl, epoll, operation, fd, event));
}

namespace steward {
namespace {

using namespace std::chrono_literals;
using detail::pipe::kHelloBytes;
using detail::pipe::kReplyBytes;
using detail::pipe::make_hello;
using detail::pipe::secret_of;
using detail::test::RawTcp;

constexpr char kNoKey[] = "";

// A decent client gets through.
void expect_well(Listener& listener, const std::string& key) {
  auto near = Connection<int>::connect(listener.address(), {.key = key});
  auto far = listener.accept<int>();
  near.send(4);
  EXPECT_EQ(far.recv(), 4);
}

// A listener without a key, and one with.
class HostileListener : public testing::TestWithParam<bool> {
 protected:
  const std::string key = GetParam() ? generate_key() : std::string();
  Listener listener{"tcp://127.0.0.1:0", {.key = key}};
};
INSTANTIATE_TEST_SUITE_P(With, HostileListener, testing::Bool(),
                         [](const auto& which) { return which.param ? "AKey" : "NoKey"; });

// A reply that only refuses: the letter, and nothing that would tell anything.
std::string refusal(char letter) {
  return std::string("steward listens 1\n") + letter + std::string(kReplyBytes - 19, '\0');
}

TEST_P(HostileListener, GarbageIsCutOff) {
  std::mt19937_64 random(detail::test::seed());
  std::vector<RawTcp> held;
  for (int i = 0; i < 50; ++i) {
    held.emplace_back(listener.address());
    std::string bytes(1 + random() % 500, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    held.back().says(bytes);
  }
  for (RawTcp& stranger : held) EXPECT_EQ(stranger.hears_all(), refusal('?'));
  EXPECT_FALSE(listener.try_accept<int>());
  expect_well(listener, key);
}

TEST_P(HostileListener, StrangersAreToldWhatThisIsAsSoonAsTheyCanBeKnown) {
  const std::string zmtp("\xff\0\0\0\0\0\0\0\1\x7f", 10);
  for (const std::string& said : {zmtp, std::string("GET / HTTP/1.1\r\n\r\n"), std::string("x"),
                                  std::string("steward connect 2\n")}) {
    RawTcp stranger(listener.address());
    stranger.says(said);
    EXPECT_EQ(stranger.hears_all(), refusal('?')) << said;
  }
}

TEST_P(HostileListener, ALongRequestDoesNotKeepItsAnswerBack) {
  RawTcp stranger(listener.address());
  stranger.says("POST / HTTP/1.1\r\n\r\n" + std::string(30'000, 'x'));
  EXPECT_EQ(stranger.hears(kReplyBytes), refusal('?'));
}

TEST_P(HostileListener, WhoKnowsNoKeyHearsOnlyThat) {
  RawTcp another(listener.address());
  another.says(make_hello(secret_of(generate_key())).bytes);
  EXPECT_EQ(another.hears_all(), refusal(key.empty() ? 'x' : 'd'));
  if (key.empty()) return;
  RawTcp none(listener.address());
  none.says(make_hello(std::nullopt).bytes);
  EXPECT_EQ(none.hears_all(), refusal('w'));
  RawTcp forger(listener.address());
  std::string hello = make_hello(secret_of(key)).bytes;
  hello[kHelloBytes - 1] = static_cast<char>(hello[kHelloBytes - 1] ^ 1);
  forger.says(hello);
  EXPECT_EQ(forger.hears_all(), refusal('d'));
  EXPECT_FALSE(listener.try_accept<int>());
}

TEST_P(HostileListener, WhoIsSilentHoldsUpNobody) {
  const std::string hello = make_hello(secret_of(key)).bytes;
  std::vector<RawTcp> silent;
  for (std::size_t i = 0; i < 40; ++i) {
    silent.emplace_back(listener.address());
    silent.back().says(hello.substr(0, i));
  }
  expect_well(listener, key);
  for (const RawTcp& one : silent) EXPECT_TRUE(one.is_silent()) << "it has its time";
}

TEST_P(HostileListener, OfAFloodTheOldestGoFirst) {
  std::vector<RawTcp> silent;
  for (std::size_t i = 0; i < detail::core::Limits().handshakes + 50; ++i) {
    silent.emplace_back(listener.address());
    silent.back().says("stew");
  }
  EXPECT_EQ(silent.front().hears_all(), "");
  EXPECT_TRUE(silent.back().is_silent());
  expect_well(listener, key);
}

TEST_P(HostileListener, WhoSaysNothingIsLetGoInTheEnd) {
  RawTcp silent(listener.address());
  RawTcp slow(listener.address());
  slow.says(make_hello(secret_of(key)).bytes.substr(0, kHelloBytes - 1));
  EXPECT_EQ(silent.hears_all(), "");
  EXPECT_EQ(slow.hears_all(), "");
}

TEST_P(HostileListener, WhoLeavesInTheMiddleLeavesNothing) {
  const std::string hello = make_hello(secret_of(key)).bytes;
  for (std::size_t i = 0; i < kHelloBytes; ++i) {
    RawTcp brief(listener.address());
    brief.says(hello.substr(0, i));
  }
  EXPECT_FALSE(listener.try_accept<int>());
  expect_well(listener, key);
}

TEST_P(HostileListener, AFloodWhileOthersConnectTurnsNobodyAway) {
  std::atomic<bool> over = false;
  std::thread flood([&] {
    std::mt19937_64 random(detail::test::seed());
    while (!over) {
      RawTcp stranger(listener.address());
      stranger.says(make_hello(std::nullopt).bytes.substr(0, random() % kHelloBytes));
    }
  });
  for (int i = 0; i < 20; ++i) expect_well(listener, key);
  over = true;
  flood.join();
}

TEST_P(HostileListener, OneThatCannotBeWatchedIsLetGoAndNobodyElse) {
  auto near = Connection<int>::connect(listener.address(), {.key = key});
  failing_watches = 1;
  RawTcp unlucky(listener.address());
  EXPECT_EQ(unlucky.hears_all(), "");
  EXPECT_EQ(failing_watches, 0);
  auto far = listener.accept<int>();
  near.send(4);
  EXPECT_EQ(far.recv(), 4);
  expect_well(listener, key);
}

// ---- Forks ----

TEST_P(HostileListener, AForkedCopyHearsThatNobodyGreetsAnyMore) {
  detail::test::Forked owner([this](int out) {
    Listener own("tcp://127.0.0.1:0", {.key = key});
    const detail::test::Forked copy([&](int) {
      try {
        own.accept<int>();
      } catch (const Closed&) {
        ::dprintf(out, "closed\n");
      }
      return 0;
    });
    ::dprintf(out, "up\n");
    ::poll(nullptr, 0, -1);
    return 0;
  });
  ASSERT_EQ(owner.line(), "up");
  owner.kill();
  EXPECT_EQ(owner.line(), "closed");
}

TEST_P(HostileListener, AForkedCopyKeepsNoneOfThoseWhoAreGreeted) {
  RawTcp greeted(listener.address());
  greeted.says("stew");
  auto near = Connection<int>::connect(listener.address(), {.key = key});  // it was taken in
  const detail::test::Forked copy([](int) {
    ::poll(nullptr, 0, -1);
    return 0;
  });
  greeted.says("x");
  greeted.hears(kReplyBytes);
  EXPECT_EQ(greeted.hears_all(), "") << "the copy has it, too";
}

// ---- Descriptors ----

TEST(CrowdedListener, ALackOfDescriptorsEndsNeitherItNorItsConnections) {
  detail::test::Forked child([](int out) {
    Listener listener("tcp://127.0.0.1:0");
    ::dprintf(out, "%s\n", listener.address().c_str());
    auto far = listener.accept<int>();
    const rlimit few{40, 40};
    ::setrlimit(RLIMIT_NOFILE, &few);
    ::dprintf(out, "few\n");
    far.send(far.recv());
    auto next = listener.accept<int>();
    next.send(5);
    ::poll(nullptr, 0, -1);
    return 0;
  });
  const std::string address = child.line();
  auto near = Connection<int>::connect(address);
  ASSERT_EQ(child.line(), "few");
  std::vector<RawTcp> silent;
  for (int i = 0; i < 100; ++i) silent.emplace_back(address);
  near.send(4);
  EXPECT_EQ(near.recv(), 4);
  EXPECT_EQ(Connection<int>::connect(address, {.timeout = 60s}).recv(), 5);
}

TEST(CrowdedListener, WhereTheProgramHasThemAllOthersWaitUntilThereAreSome) {
  detail::test::Forked child([](int out) {
    Listener listener("tcp://127.0.0.1:0");
    const rlimit few{60, 60};
    ::setrlimit(RLIMIT_NOFILE, &few);
    std::vector<detail::shm::UniqueFd> all;
    while (all.empty() || all.back()) all.emplace_back(::dup(0));
    ::dprintf(out, "%s\n", listener.address().c_str());
    char letter = 0;
    EXPECT_EQ(::read(0, &letter, 0), 0);
    ::poll(nullptr, 0, 250);  // it has tried meanwhile, and must not have given up
    all.clear();
    listener.accept<int>().send(4);
    return 0;
  });
  EXPECT_EQ(Connection<int>::connect(child.line(), {.timeout = 60s}).recv(), 4);
}

// ---- Those who have been let in ----

// Says what it likes after a decent greeting, where there is no key.
RawTcp let_in(const Listener& listener) {
  RawTcp peer(listener.address());
  peer.says(make_hello(std::nullopt).bytes);
  EXPECT_EQ(peer.hears(kReplyBytes), refusal('n'));
  EXPECT_EQ(peer.hears(4), std::string(4, '\0')) << "an empty message";
  return peer;
}

TEST(HostilePeer, MessagesThatAreNoneAreErrorsOfTheirReceiver) {
  Listener listener("tcp://127.0.0.1:0");
  RawTcp peer = let_in(listener);
  auto bad = listener.accept<int>();
  peer.says(std::string("\0\0\0\2\xa1x", 6));
  EXPECT_THROW(bad.recv(), BadCall);
  peer.says("\xff\xff\xff\xff");
  EXPECT_THROW(bad.recv(), Overloaded);
  EXPECT_THROW(bad.recv(), Closed);
  expect_well(listener, kNoKey);
}

TEST(HostilePeer, AStormOfPeersPassesOver) {
  Listener listener("tcp://127.0.0.1:0");
  for (int i = 0; i < 30; ++i) {
    if (i % 2 == 0) {
      RawTcp peer = let_in(listener);
      if (i % 4 == 0) peer.says("unread");
    } else {
      RawTcp(listener.address()).says("steward");
    }
  }
  std::size_t accepted = 0;
  while (listener.try_accept<int>()) ++accepted;
  EXPECT_EQ(accepted, 15U);
  expect_well(listener, kNoKey);
}

TEST(HostilePeer, RawBytesAtAPathAreErrorsOfTheirReceiver) {
  const detail::test::Scratch scratch;
  const std::string path = scratch.file("socket");
  Listener listener("ipc://" + path);
  std::mt19937_64 random(detail::test::seed());
  for (int i = 0; i < 100; ++i) {
    int error = 0;
    const detail::shm::UniqueFd raw =
        detail::client::connect_unix(path, SOCK_STREAM, detail::core::deadline_after(10s), error);
    ASSERT_TRUE(raw);
    auto far = listener.accept<Value>();
    std::string bytes(random() % 60, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() % (i % 2 == 0 ? 256 : 8));
    if (!bytes.empty()) ::send(raw.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ::shutdown(raw.get(), SHUT_WR);
    bool over = false;
    while (!over) {
      try {
        far.recv();
      } catch (const BadCall&) {
        // Not a value, and the next may be one.
      } catch (const std::exception&) {
        over = true;
      }
    }
    EXPECT_THROW(far.recv(), Closed);
  }
  expect_well(listener, kNoKey);
}

}  // namespace
}  // namespace steward
