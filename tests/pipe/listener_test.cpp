// Listener and Connection::connect, over both kinds of address: they behave alike.
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/process/streams.hpp>
#include <steward/core/auth_key.hpp>
#include <steward/core/errors.hpp>
#include <steward/pipe/listener.hpp>
#include <steward/pipe/pipe.hpp>
#include <steward/process/process.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/crash/eventually.hpp>
#include <steward/tests/error_text.hpp>
#include <steward/tests/manager/scratch.hpp>
#include <steward/tests/process/support.hpp>
#include <steward/tests/sanitized.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using detail::test::Scratch;
using detail::test::text_of;

// Where a Listener of each kind may stand.
struct Ipc {
  static constexpr const char* kName = "Ipc";
  Scratch scratch;
  std::string address = "ipc://" + scratch.file("socket");
  std::string key;
};
struct Tcp {
  static constexpr const char* kName = "Tcp";
  std::string address = "tcp://127.0.0.1:0";
  std::string key;
};
struct Curve {
  static constexpr const char* kName = "Curve";
  std::string address = "tcp://127.0.0.1:0";
  std::string key = generate_key();
};

struct Names {
  template <class Place>
  static std::string GetName(int) {
    return Place::kName;
  }
};

template <class Place>
class ListenerTest : public testing::Test {
 protected:
  Listener listen() { return Listener(place_.address, {.key = place_.key}); }
  template <class T>
  Connection<T> connect(const Listener& listener) {
    return Connection<T>::connect(listener.address(), {.key = place_.key});
  }
  template <class T>
  std::pair<Connection<T>, Connection<T>> connected(Listener& listener) {
    Connection<T> near = connect<T>(listener);
    return {std::move(near), listener.template accept<T>()};
  }

  Place place_;
};
using Places = testing::Types<Ipc, Tcp, Curve>;
TYPED_TEST_SUITE(ListenerTest, Places, Names);

TYPED_TEST(ListenerTest, AcceptsAndTalksBothWays) {
  Listener listener = this->listen();
  auto [near, far] = this->template connected<std::string>(listener);
  near.send("there");
  EXPECT_EQ(far.recv(), "there");
  far.send("and back");
  EXPECT_EQ(near.recv(), "and back");
}

TYPED_TEST(ListenerTest, KeepsConnectionsApart) {
  Listener listener = this->listen();
  std::vector<std::pair<Connection<int>, Connection<int>>> pairs;
  for (int i = 0; i < 20; ++i) pairs.push_back(this->template connected<int>(listener));
  for (int i = 0; i < 20; ++i) {
    pairs[static_cast<std::size_t>(i)].first.send(i);
    pairs[static_cast<std::size_t>(i)].second.send(100 + i);
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(pairs[static_cast<std::size_t>(i)].second.recv(), i);
    EXPECT_EQ(pairs[static_cast<std::size_t>(i)].first.recv(), 100 + i);
  }
}

TYPED_TEST(ListenerTest, TryingAndTimedFormsSayThatNobodyCame) {
  Listener listener = this->listen();
  EXPECT_FALSE(listener.try_accept<int>());
  EXPECT_FALSE(listener.accept_for<int>(2ms));
  pollfd entry{listener.fileno(), POLLIN, 0};
  EXPECT_EQ(::poll(&entry, 1, 0), 0);
  Connection<int> near = this->template connect<int>(listener);
  EXPECT_EQ(::poll(&entry, 1, 10'000), 1);
  auto far = listener.accept_for<int>(10s);
  ASSERT_TRUE(far);
  near.send(4);
  EXPECT_EQ(far->recv(), 4);
}

TYPED_TEST(ListenerTest, WhatWasSentBeforeTheCloseArrives) {
  Listener listener = this->listen();
  auto [near, far] = this->template connected<std::string>(listener);
  const std::string large(3'000'000, 'x');
  std::thread receiver([&far = far, &large] {
    for (int i = 0; i < 5; ++i) EXPECT_EQ(far.recv(), large);
    EXPECT_THROW(far.recv(), Closed);
    EXPECT_THROW(far.send("x"), Closed);
  });
  for (int i = 0; i < 5; ++i) near.send(large);
  near.close();
  receiver.join();
}

TYPED_TEST(ListenerTest, TheSideThatAcceptedMayCloseToo) {
  Listener listener = this->listen();
  auto [near, far] = this->template connected<int>(listener);
  near.send(1);  // never read
  far.send(4);
  far.close();
  EXPECT_EQ(near.recv(), 4);
  EXPECT_THROW(near.recv(), Closed);
}

TYPED_TEST(ListenerTest, ManyMessagesBothWaysAtOnce) {
  constexpr std::uint64_t kMessages = 5000;
  Listener listener = this->listen();
  auto [near, far] = this->template connected<std::string>(listener);
  const auto message = [](std::uint64_t i) {
    return std::to_string(i) + std::string(i % 500 == 0 ? 200'000 : i % 300, 'x');
  };
  const auto send = [&](Connection<std::string>& end) {
    for (std::uint64_t i = 0; i < kMessages; ++i) end.send(message(i));
  };
  const auto receive = [&](Connection<std::string>& end) {
    for (std::uint64_t i = 0; i < kMessages; ++i) ASSERT_EQ(end.recv(), message(i));
  };
  std::thread a([&, &near = near] { send(near); });
  std::thread b([&, &far = far] { send(far); });
  std::thread c([&, &near = near] { receive(near); });
  receive(far);
  for (std::thread* thread : {&a, &b, &c}) thread->join();
}

TYPED_TEST(ListenerTest, ASenderWaitsForAReaderThatIsSlow) {
  Listener listener = this->listen();
  auto [near, far] = this->template connected<std::string>(listener);
  constexpr int kMessages = 200;
  std::atomic<int> sent = 0;
  std::thread sender([&, &near = near] {
    for (int i = 0; i < kMessages; ++i) {
      near.send(std::string(100'000, 'x'));
      ++sent;
    }
  });
  // As many as fit under way, and no more.
  int before = -1;
  while (sent != before) {
    before = sent;
    ::poll(nullptr, 0, 100);
  }
  EXPECT_LT(sent, kMessages / 2);
  for (int i = 0; i < kMessages; ++i) EXPECT_EQ(far.recv().size(), 100'000U);
  sender.join();
}

TYPED_TEST(ListenerTest, ASenderThatWaitsHearsThatTheOtherSideHasClosed) {
  Listener listener = this->listen();
  auto [near, far] = this->template connected<std::string>(listener);
  std::thread closer([&far = far] {
    far.recv_bytes();
    far.close();
  });
  near.send_bytes("");
  EXPECT_THROW(
      for (;;) near.send(std::string(100'000, 'x')), Closed);
  closer.join();
}

TYPED_TEST(ListenerTest, AConnectionOutlivesItsListener) {
  Listener listener = this->listen();
  auto [near, far] = this->template connected<int>(listener);
  listener.close();
  listener.close();
  near.send(4);
  EXPECT_EQ(far.recv(), 4);
  far.send(5);
  EXPECT_EQ(near.recv(), 5);
  EXPECT_THROW(listener.accept<int>(), Closed);
  EXPECT_THROW(listener.fileno(), Closed);
}

TYPED_TEST(ListenerTest, AClosedOneLetsNobodyIn) {
  Listener listener = this->listen();
  auto [near, far] = this->template connected<int>(listener);
  const std::string address = listener.address();
  listener.close();
  EXPECT_THROW(Connection<int>::connect(address, {.key = this->place_.key, .timeout = 5s}),
               Disconnected);
  near.send(4);
  EXPECT_EQ(far.recv(), 4);
}

TYPED_TEST(ListenerTest, WhoWaitsToBeAcceptedIsTurnedAwayByTheClose) {
  Listener listener = this->listen();
  Connection<int> near = this->template connect<int>(listener);
  listener.close();
  EXPECT_THROW(near.recv(), Closed);
}

// In whose queue nobody is kept, and which hears the end.
TYPED_TEST(ListenerTest, WhoWaitsIsTurnedAwayAlthoughAForkedCopyIsThere) {
  Listener listener = this->listen();
  const std::string address = listener.address();
  auto [go, gone] = pipe<int>();
  detail::test::Forked child([&, &go = go](int out) {
    go.recv();
    try {
      listener.accept<int>();
    } catch (const Closed& error) {
      ::dprintf(out, "%s\n", error.what());
    }
    return 0;
  });
  Connection<int> near = this->template connect<int>(listener);
  pollfd somebody{listener.fileno(), POLLIN, 0};
  ASSERT_EQ(::poll(&somebody, 1, 10'000), 1);
  listener.close();
  EXPECT_THROW(near.recv_for(10s), Closed);
  gone.send(1);
  EXPECT_EQ(child.line(), "Listener.accept: " + address + " has ended");
}

TYPED_TEST(ListenerTest, NobodyThereIsDisconnected) {
  Listener listener = this->listen();
  const std::string address = listener.address();
  listener.close();
  const std::string text = text_of<Disconnected>([&] {
    Connection<int>::connect(address, {.key = this->place_.key, .timeout = 50ms});
  });
  EXPECT_NE(text.find(address), std::string::npos) << text;
}

TYPED_TEST(ListenerTest, WhoHasConnectedCanBeAcceptedAtOnce) {
  Listener listener = this->listen();
  for (int i = 0; i < 50; ++i) {
    auto near = this->template connect<int>(listener);
    auto far = listener.try_accept<int>();
    ASSERT_TRUE(far) << i;
    far->send(i);
    EXPECT_EQ(near.recv(), i);
  }
}

TYPED_TEST(ListenerTest, WhoWaitsIsStillThereAfterALackOfDescriptors) {
  if (detail::test::kSanitized) GTEST_SKIP() << "the sanitizer needs descriptors itself";
  detail::test::Forked child([this](int out) {
    Listener listener = this->listen();
    ::dprintf(out, "%s\n", listener.address().c_str());
    pollfd entry{listener.fileno(), POLLIN, 0};
    ::poll(&entry, 1, -1);
    const rlimit few{60, 60};
    ::setrlimit(RLIMIT_NOFILE, &few);
    std::vector<detail::shm::UniqueFd> all;
    while (all.empty() || all.back()) all.emplace_back(::dup(0));
    for (int i = 0; i < 3; ++i) EXPECT_THROW(listener.try_accept<int>(), Overloaded);
    all.clear();
    auto far = listener.accept<int>();
    far.send(far.recv() + 1);
    const bool failed = testing::Test::HasFailure();
    far.recv();
    return failed ? 1 : 0;
  });
  {
    auto near = Connection<int>::connect(child.line(), {.key = this->place_.key});
    near.send(4);
    EXPECT_EQ(near.recv(), 5);
    near.send(0);
  }
  EXPECT_EQ(child.join(), 0);
}

TYPED_TEST(ListenerTest, AcceptsWhereThereAreNoDevices) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to leave them behind";
  const Scratch nothing;
  detail::test::Forked child([&](int out) {
    Listener listener = this->listen();
    ::dprintf(out, "%s\n", listener.address().c_str());
    pollfd somebody{listener.fileno(), POLLIN, 0};
    ::poll(&somebody, 1, -1);
    if (::chroot(nothing.file("").c_str()) != 0) return 2;
    return listener.accept<int>().recv();
  });
  auto near = Connection<int>::connect(child.line(), {.key = this->place_.key});
  near.send(4);
  EXPECT_EQ(child.join(), 4);
}

TYPED_TEST(ListenerTest, ItsFilesAreNoStandardDescriptorsOfAProgramThatHasNone) {
  detail::test::Forked child([this](int out) {
    std::vector<int> numbers;
    const auto close_all = [] {
      for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::close(number);
    };
    close_all();
    Listener listener = this->listen();
    close_all();
    auto near = this->template connect<int>(listener);
    close_all();
    auto far = listener.accept<int>();
    for (const int number : {listener.fileno(), near.fileno(), far.fileno()}) {
      if (number <= STDERR_FILENO) ::dprintf(out, "%d ", number);
    }
    ::dprintf(out, "\n");
    near.send(4);
    return far.recv();
  });
  EXPECT_EQ(child.line(), "");
  EXPECT_EQ(child.join(), 4);
}

TYPED_TEST(ListenerTest, AForkedCopyAcceptsToo) {
  Listener listener = this->listen();
  detail::test::Forked child([&](int) {
    Connection<int> far = listener.accept<int>();
    far.send(far.recv() + 1);
    return 0;
  });
  auto near = this->template connect<int>(listener);
  near.send(4);
  EXPECT_EQ(near.recv(), 5);
  EXPECT_EQ(child.join(), 0);
  auto [other, far] = this->template connected<int>(listener);
  other.send(6);
  EXPECT_EQ(far.recv(), 6);
}

TYPED_TEST(ListenerTest, ThePlaceIsFreeAgainAlthoughAForkedCopyLives) {
  Listener listener = this->listen();
  const std::string address = listener.address();
  const detail::test::Forked child([](int) {
    ::poll(nullptr, 0, -1);
    return 0;
  });
  listener.close();
  listener = Listener(address, {.key = this->place_.key});
  auto [near, far] = this->template connected<int>(listener);
  near.send(4);
  EXPECT_EQ(far.recv(), 4);
}

TYPED_TEST(ListenerTest, ThePlaceIsFreeAgainAfterTheClose) {
  Listener listener = this->listen();
  const std::string address = listener.address();
  for (int i = 0; i < 5; ++i) {
    listener.close();
    listener = Listener(address, {.key = this->place_.key});
    EXPECT_EQ(listener.address(), address);
    auto [near, far] = this->template connected<int>(listener);
    near.send(i);
    EXPECT_EQ(far.recv(), i);
  }
}

TYPED_TEST(ListenerTest, TwoDoNotShareAPlace) {
  Listener listener = this->listen();
  EXPECT_THROW(Listener(listener.address(), {.key = this->place_.key}), std::system_error);
  auto [near, far] = this->template connected<int>(listener);
  near.send(4);
  EXPECT_EQ(far.recv(), 4) << "the first one still has it";
}

TYPED_TEST(ListenerTest, AMovedListenerGoesOn) {
  Listener first = this->listen();
  Listener second = std::move(first);
  auto [near, far] = this->template connected<int>(second);
  near.send(4);
  EXPECT_EQ(far.recv(), 4);
  EXPECT_THROW(first.accept<int>(), BadCall);
}

TYPED_TEST(ListenerTest, AKilledPeerIsTheEnd) {
  Listener listener = this->listen();
  detail::test::Forked child([&](int) {
    Connection<int> near = this->template connect<int>(listener);
    near.send(4);
    near.send(near.recv());
    ::poll(nullptr, 0, -1);
    return 0;
  });
  Connection<int> far = listener.accept<int>();
  EXPECT_EQ(far.recv(), 4);
  far.send(5);
  EXPECT_EQ(far.recv(), 5);
  EXPECT_FALSE(far.poll(5ms));
  child.kill();
  EXPECT_TRUE(far.poll(10s));
  EXPECT_THROW(far.recv(), Closed);
  EXPECT_TRUE(detail::test::eventually([&] {
    try {
      far.send(6);
      return false;
    } catch (const Closed&) {
      return true;
    }
  }));
}

TYPED_TEST(ListenerTest, WhatAPeerSentBeforeItEndedArrives) {
  Listener listener = this->listen();
  detail::test::Forked child([&](int) {
    detail::process::flush_streams();
    {
      Connection<std::string> near = this->template connect<std::string>(listener);
      for (int i = 0; i < 100; ++i) near.send(std::to_string(i) + std::string(5000, 'x'));
    }
    std::exit(0);  // as main() that returns
    return 1;
  });
  Connection<std::string> far = listener.accept<std::string>();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(far.recv(), std::to_string(i) + std::string(5000, 'x'));
  }
  EXPECT_THROW(far.recv(), Closed);
  EXPECT_EQ(child.join(), 0);
}

// ---- With processes ----

void call_and_return(const std::string& address, const std::string& key) {
  auto near = Connection<std::string>::connect(address, {.key = key});
  // No more than a socket holds: nobody reads before the end.
  for (int i = 0; i < 100; ++i) near.send(std::to_string(i) + std::string(500, 'x'));
}

TYPED_TEST(ListenerTest, WhatAProcessSentBeforeItReturnedArrives) {
  Listener listener = this->listen();
  Process child(call_and_return, listener.address(), this->place_.key);
  child.start();
  Connection<std::string> far = listener.accept<std::string>();
  child.join();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(far.recv(), std::to_string(i) + std::string(500, 'x'));
  }
  EXPECT_THROW(far.recv(), Closed);
}

void answer(Connection<int> end) { end.send(end.recv() + 1); }

TYPED_TEST(ListenerTest, AConnectionGoesToAProcess) {
  Listener listener = this->listen();
  auto [near, far] = this->template connected<int>(listener);
  Process child(answer, std::move(far));
  child.start();
  near.send(4);
  EXPECT_EQ(near.recv(), 5);
  EXPECT_THROW(near.recv(), Closed) << "the process had it alone";
}

TYPED_TEST(ListenerTest, AConnectionGoesToAForkedProcess) {
  Listener listener = this->listen();
  auto [near, far] = this->template connected<int>(listener);
  Process child({.start_method = StartMethod::fork}, answer, std::move(far));
  child.start();
  near.send(4);
  EXPECT_EQ(near.recv(), 5);
  EXPECT_THROW(near.recv(), Closed) << "nothing of the listener's was left open there";
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

TYPED_TEST(ListenerTest, DoesNotKeepAProgramFromItsFirstProcess) {
  const int code = detail::test::in_fork([this] {
    Listener listener = this->listen();
    auto [near, far] = this->template connected<int>(listener);
    Process child(answer, std::move(far));
    child.start();
    near.send(4);
    return near.recv();
  });
  EXPECT_EQ(code, 5);
}

TYPED_TEST(ListenerTest, AForkedCopyDoesNotKeepItsEndOpen) {
  Listener listener = this->listen();
  auto [near, far] = this->template connected<int>(listener);
  const detail::test::Forked child([&, &near = near, &far = far](int) {
    near.close();
    far.close();
    ::poll(nullptr, 0, -1);
    return 0;
  });
  far.send(4);
  far.close();
  EXPECT_EQ(near.recv(), 4);
  EXPECT_THROW(near.recv(), Closed) << "the child has copies of what is the library's";
}

TYPED_TEST(ListenerTest, AKilledListenerIsTheEnd) {
  detail::test::Forked child([&](int out) {
    Listener listener = this->listen();
    ::dprintf(out, "%s\n", listener.address().c_str());
    Connection<int> far = listener.accept<int>();
    far.send(4);
    ::poll(nullptr, 0, -1);
    return 0;
  });
  auto near = Connection<int>::connect(child.line(), {.key = this->place_.key});
  EXPECT_EQ(near.recv(), 4);
  child.kill();
  EXPECT_TRUE(near.poll(10s));
  EXPECT_THROW(near.recv(), Closed);
}

TYPED_TEST(ListenerTest, AMessageThatIsTooLongEndsTheConnection) {
  Listener listener = this->listen();
  auto [near, far] = this->template connected<std::string>(listener);
  far.set_message_limit(1000);
  near.send(std::string(2000, 'x'));
  EXPECT_THROW(far.recv(), Overloaded);
  EXPECT_THROW(far.recv(), Closed);
}

int is_over(Connection<std::string> end) {
  try {
    end.recv_bytes();
  } catch (const Closed&) {
    return 0;
  }
  return 1;
}
void exit_as_over(Connection<std::string> end) {
  if (const int code = is_over(std::move(end)); code != 0) std::exit(code);
}

TYPED_TEST(ListenerTest, WhatIsOverAfterAMessageThatWasTooLongIsOverElsewhereToo) {
  Listener listener = this->listen();
  auto [near, far] = this->template connected<std::string>(listener);
  far.set_message_limit(100);
  std::string body;
  for (int i = 0; i < 20; ++i) body += std::string("\0\0\0\x0dtransfer 1000", 17);
  near.send_bytes(body);
  EXPECT_THROW(far.recv_bytes(), Overloaded);
  EXPECT_THROW(near.recv_bytes(), Closed) << "the other side is told";
  Process child(exit_as_over, std::move(far));
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

TYPED_TEST(ListenerTest, NothingStaysOpenWhenAllIsClosed) {
  const auto open_files = [] {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return std::distance(begin(files), end(files));
  };
  const auto round = [this] {
    Listener listener = this->listen();
    auto [near, far] = this->template connected<int>(listener);
    near.send(4);
    EXPECT_EQ(far.recv(), 4);
  };
  round();
  const auto before = open_files();
  for (int i = 0; i < 5; ++i) round();
  EXPECT_TRUE(detail::test::eventually([&] { return open_files() <= before; }))
      << open_files() << " instead of " << before;
}

}  // namespace
}  // namespace steward
