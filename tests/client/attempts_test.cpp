// What several threads ask for at once: whom it is done for, who shares its failure, and who must
// not wait for it.
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include <steward/client/client_reference.hpp>
#include <steward/client/interrupt.hpp>
#include <steward/client/reference.hpp>
#include <steward/client/state.hpp>
#include <steward/core/clock.hpp>
#include <steward/core/errors.hpp>
#include <steward/tests/client/fake_house.hpp>
#include <steward/tests/error_text.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using client::ClientState;
using Made = ClientState::SessionDriverPtr;

const std::string kHere = "ipc:///nowhere/here.sock";
const std::string kThere = "ipc:///nowhere/there.sock";

// Who waits behind the attempt of another thread asks the interrupt check.
std::atomic<std::thread::id> waiter;
std::atomic<bool> waits = false;

class AttemptsTest : public testing::Test {
 protected:
  AttemptsTest() {
    waits = false;
    waiter = std::thread::id();
  }
  ~AttemptsTest() override { set_interrupt_check(nullptr); }

  static void notice_the_waiter() {
    set_interrupt_check([] {
      if (std::this_thread::get_id() == waiter.load()) {
        waits = true;
        waits.notify_all();
      }
      return false;
    });
  }

  core::ReferencePtr claim(core::Deadline deadline,
                           const std::function<core::ReferencePtr()>& claim) const {
    return state.claimed(*client::Claimable::from(*reference), deadline, claim);
  }
  static core::Deadline soon() { return core::deadline_after(1s); }

  ClientState& state = ClientState::current();
  const core::ReferencePtr reference =
      client::unclaimed(list_token(core::random_id<core::Incarnation>(), 3));
  const core::ReferencePtr answer = std::make_shared<const core::Reference>(reference->token());
};

// Or each of many would wait for as long as the manager does not answer, one behind the other.
TEST_F(AttemptsTest, ThreadsThatWaitForAClaimShareItsFailure) {
  notice_the_waiter();
  std::promise<void> begun;
  auto first = std::async(std::launch::async, [&] {
    EXPECT_THROW(claim(core::deadline_after(1h),
                       [&]() -> core::ReferencePtr {
                         begun.set_value();
                         waits.wait(false);
                         throw Disconnected("does not answer");
                       }),
                 Disconnected);
  });
  begun.get_future().wait();
  auto second = std::async(std::launch::async, [&] {
    waiter = std::this_thread::get_id();
    bool again = false;
    EXPECT_THROW(claim(core::deadline_after(2h),
                       [&] {
                         again = true;
                         return answer;
                       }),
                 Disconnected);
    EXPECT_FALSE(again) << "more time would not have helped";
  });
  first.get();
  second.get();
  EXPECT_EQ(claim({}, [&] { return answer; }), answer) << "those who come later try again";
}

TEST_F(AttemptsTest, WhoHasMoreTimeClaimsAgainWhereTheTimeOfAnotherWasOver) {
  notice_the_waiter();
  std::promise<void> begun;
  auto first = std::async(std::launch::async, [&] {
    EXPECT_THROW(claim(core::Deadline(std::chrono::steady_clock::now()),
                       [&]() -> core::ReferencePtr {
                         begun.set_value();
                         waits.wait(false);
                         throw TimeoutError("out of time");
                       }),
                 TimeoutError);
  });
  begun.get_future().wait();
  auto second = std::async(std::launch::async, [&] {
    waiter = std::this_thread::get_id();
    EXPECT_EQ(claim(core::deadline_after(1h), [&] { return answer; }), answer);
  });
  first.get();
  second.get();
}

// --- what the program runs in the middle of one (an interrupt check, ConnectOptions::allow)

TEST_F(AttemptsTest, CodeInTheMiddleOfAClaimMayUseTheSameHandle) {
  EXPECT_EQ(claim({},
                  [&]() -> core::ReferencePtr {
                    EXPECT_EQ(claim(soon(), [&] { return answer; }), answer);
                    throw StaleHandle("its lease is spent");
                  }),
            answer);
}

TEST_F(AttemptsTest, CodeInTheMiddleOfAClaimThatAlwaysUsesTheSameHandleFails) {
  std::function<core::ReferencePtr()> asks = [&] { return claim(soon(), asks); };
  EXPECT_EQ(text_of<BadCall>([&] { claim({}, asks); }),
            "list#3: its first use asks the program, which uses it for the answer");
}

// As a ConnectOptions::allow that reads the same element of a list each time.
TEST_F(AttemptsTest, CodeInTheMiddleOfAClaimThatAlwaysUsesANewHandleFails) {
  int times = 0;
  std::function<core::ReferencePtr()> asks = [&] {
    ++times;
    const core::ReferencePtr anew = client::unclaimed(reference->token());
    return state.claimed(*client::Claimable::from(*anew), soon(), asks);
  };
  EXPECT_EQ(text_of<BadCall>([&] { claim({}, asks); }),
            "list#3: its first use asks the program, which uses another such handle for the "
            "answer");
  EXPECT_LT(times, 100);
  EXPECT_EQ(claim({}, [&] { return answer; }), answer);
}

TEST_F(AttemptsTest, CodeInTheMiddleOfConnectingMayConnectToTheSame) {
  bool dialled = false;
  const auto dial = [&]() -> Made {
    dialled = true;
    throw Disconnected("dialled");
  };
  EXPECT_EQ(text_of<Disconnected>([&] {
              state.connect(kHere, {}, [&]() -> Made {
                EXPECT_EQ(text_of<Disconnected>([&] { state.connect(kHere, soon(), dial); }),
                          "dialled");
                throw Disconnected("outer");
              });
            }),
            "outer");
  EXPECT_TRUE(dialled);
}

// Each in the middle of what the other one asks for.
TEST_F(AttemptsTest, CodeInTheMiddleOfOneWaitsForNobodyWhoMayWaitForIt) {
  std::promise<void> here;
  std::promise<void> there;
  const auto fail = []() -> Made { throw Disconnected("dialled"); };
  auto connects = std::async(std::launch::async, [&] {
    const auto dial = [&]() -> Made {
      here.set_value();
      there.get_future().wait();
      EXPECT_EQ(claim(soon(), [&] { return answer; }), answer);
      EXPECT_EQ(text_of<Disconnected>([&] { state.connect(kHere, soon(), fail); }), "dialled");
      throw Disconnected("outer");
    };
    EXPECT_EQ(text_of<Disconnected>([&] { state.connect(kThere, {}, dial); }), "outer");
  });
  const core::ReferencePtr other = claim({}, [&] {
    there.set_value();
    here.get_future().wait();
    EXPECT_THROW(state.connect(kThere, {}, fail), Disconnected);
    return answer;
  });
  EXPECT_EQ(other, answer);
  connects.get();
}

TEST_F(AttemptsTest, AForkInTheMiddleEndsTheChildsWaitAndNobodyElses) {
  notice_the_waiter();
  std::future<void> second;
  pid_t child = -1;
  const pid_t parent = ::getpid();
  try {
    claim({}, [&]() -> core::ReferencePtr {
      second = std::async(std::launch::async, [&] {
        waiter = std::this_thread::get_id();
        EXPECT_EQ(claim({}, [&] { return answer; }), answer);
      });
      waits.wait(false);
      state.connect(kHere, {}, [&]() -> Made {
        child = ::fork();
        throw Interrupted("interrupted");
      });
      return answer;
    });
  } catch (const Interrupted&) {
  }
  if (::getpid() != parent) ::_exit(2);
  second.get();
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 2);
}

// --- the whole of it

std::atomic<int> times_connected = 0;
std::string house_address;

TEST_F(AttemptsTest, AnInterruptCheckMayConnectToTheManagerThatIsWaitedFor) {
  FakeHouse house(Control::mute);
  house_address = house.address();
  times_connected = 0;
  set_interrupt_check([] {
    ++times_connected;
    EXPECT_THROW(client::connect(house_address, {.timeout = 50ms}), Disconnected);
    return true;
  });
  EXPECT_THROW(client::connect(house.address(), {.timeout = 60s}), Interrupted);
  EXPECT_EQ(times_connected, 1);
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (house.peers() < 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_EQ(house.peers(), 2U) << "it waited for its own thread";
}

}  // namespace
}  // namespace steward::detail::test
