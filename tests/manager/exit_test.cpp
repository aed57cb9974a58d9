// Programs that have ended well, while threads of them still use managers: nothing of that is an
// end to these threads, and all of it is over in order.
#include <atomic>
#include <chrono>
#include <stop_token>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <steward/steward.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

// Runs `call` for ever, on a thread that nobody joins. Returns once it has run.
template <class F>
void go_on(F call) {
  static std::atomic<int> begun;
  const int before = begun;
  std::thread([call] {
    call();
    ++begun;
    begun.notify_all();
    for (;;) call();
  }).detach();
  begun.wait(before);
}

int exit_code_of(auto function, auto... arguments) {
  Process process(function, arguments...);
  process.start();
  process.join();
  return process.exitcode().value_or(-1);
}

void end_beside_threads(std::string address) {
  static const auto* const manager = new Manager(Manager::connect(address));
  const auto queue = manager->queue<int>();
  go_on([queue] { static_cast<void>(queue.get_for(1ms)); });
  const auto list = manager->list<int>({1});
  go_on([list] { static_cast<void>(list.at(0)); });
  go_on([] { static_cast<void>(manager->lock().try_lock()); });
  go_on([address] { static_cast<void>(Manager::connect(address).list<int>({1}).at(0)); });
}

TEST(ProgramsEnd, WellWhileThreadsGoOn) {
  const Manager manager;
  const std::size_t before = manager.number_of_objects();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(exit_code_of(end_beside_threads, manager.address()), 0);
  EXPECT_EQ(manager.number_of_objects(), before);
}

// Made before the first session, so that it is destroyed after the library's exit handler.
void join_at_exit(std::string address) {
  static std::jthread worker;
  static const auto* const manager = new Manager(Manager::connect(address));
  const auto list = manager->list<int>({1});
  static std::atomic<bool> begun = false;
  worker = std::jthread([list](std::stop_token stop) {
    while (!stop.stop_requested()) {
      static_cast<void>(list.at(0));
      begun = true;
      begun.notify_all();
    }
  });
  begun.wait(false);
}

TEST(ProgramsEnd, WellWhereStaticObjectsJoinThreadsThatCall) {
  const Manager manager;
  EXPECT_EQ(exit_code_of(join_at_exit, manager.address()), 0);
}

void end_with_a_static_manager() {
  static const Manager manager;
  const auto queue = manager.queue<int>();
  go_on([queue] { static_cast<void>(queue.get_for(1ms)); });
  const auto list = manager.list<int>({1});
  go_on([list] { static_cast<void>(list.at(0)); });
}

TEST(ProgramsEnd, WellThoughTheManagerIsStatic) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(exit_code_of(end_with_a_static_manager), 0);
}

void end_with_a_lock(Lock given) {
  static Lock lock;
  lock = given;
  lock.lock();
}

TEST(ProgramsEnd, InOrderWithTheLocksThatTheyHold) {
  const Manager manager;
  Lock lock = manager.lock();
  EXPECT_EQ(exit_code_of(end_with_a_lock, lock), 0);
  ASSERT_TRUE(lock.try_lock_for(20s));
  EXPECT_FALSE(lock.previous_owner_died());
}

void end_with_a_lock_over_tcp(std::string address) {
  static const auto* const manager = new Manager(Manager::connect(address));
  static auto* const lock = new Lock(manager->lock(named("l")));
  lock->lock();
}

// Nobody tells the manager that it is gone: but its lease is short by then.
TEST(ProgramsEnd, SoonOverTcp) {
  const Manager manager(ManagerOptions{.address = "tcp://127.0.0.1:0"});
  Lock lock = manager.lock(named("l"));
  EXPECT_EQ(exit_code_of(end_with_a_lock_over_tcp, manager.address()), 0);
  ASSERT_TRUE(lock.try_lock_for(10s)) << "a lease is 15 s";
  EXPECT_FALSE(lock.previous_owner_died());
}

}  // namespace
}  // namespace steward::detail::test
