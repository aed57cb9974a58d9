// The processes of a pool alone: what their owner hears and when, and process servers that stand
// still.
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <future>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <steward/process/launch.hpp>
#include <steward/pool/pool.hpp>
#include <steward/pool/rings.hpp>
#include <steward/process/process.hpp>
#include <steward/process/state.hpp>
#include <steward/pool/workforce.hpp>
#include <steward/shm/shared_queue.hpp>
#include <steward/tests/process/support.hpp>
#include <steward/tests/refused_call.hpp>

namespace steward::detail::test {
namespace {

int cube(int x) { return x * x * x; }
void exits_always() { std::_Exit(3); }

class Owner final : public pool::Workforce::Owner {
 public:
  void worker_ended(const std::string&, pid_t, int, pool::Ticket) override {
    if (workforce == nullptr) std::abort();
  }
  void no_more_workers(std::exception_ptr why) override {
    workforce->retire();
    told.set_exception(why);
  }

  pool::Workforce* workforce = nullptr;
  std::promise<void> told;
};

class Witness final : public pool::Workforce::Owner {
 public:
  void worker_ended(const std::string&, pid_t, int code, pool::Ticket) override {
    exit_code = code;
  }
  void no_more_workers(std::exception_ptr) override {}

  std::atomic<int> exit_code{0};
};

TEST(PoolWorkforce, TellsItsOwnerNothingBeforeItIsStarted) {
  pool::WorkerTable table = pool::WorkerTable::create();
  const pool::PoolRings rings = pool::make_rings();
  pool::WorkerPlan plan;
  plan.initializer = Task(exits_always);
  plan.restarts = pool::RestartPolicy({.defects = 0});
  Owner owner;
  pool::Workforce workforce(std::move(plan), table,
                               {rings.tasks->fd(), rings.results->fd(), table.fd()}, owner);
  EXPECT_TRUE(workforce.pids().empty());
  owner.workforce = &workforce;
  workforce.start();
  EXPECT_THROW(owner.told.get_future().get(), WorkerDied);
  workforce.join();
}

// Takes back what event descriptors of this process have been told.
void quiet_events() {
  for (const std::string& file : entries("/proc/self/fd")) {
    std::array<char, 64> kind{};
    [[maybe_unused]] const ssize_t length =
        ::readlink(("/proc/self/fd/" + file).c_str(), kind.data(), kind.size() - 1);
    std::uint64_t count;
    if (std::string_view(kind.data()) != "anon_inode:[eventfd]") continue;
    [[maybe_unused]] const ssize_t size = ::read(std::stoi(file), &count, sizeof count);
  }
}

// Whoever ends the others does not see one that comes up meanwhile. Placed by a start that does not
// hear in time that it is to be given up.
TEST(PoolWorkforce, AWorkerThatComesUpAfterAllWereKilledIsKilled) {
  EXPECT_EQ(in_fork([] {
              Pool(1).apply(cube, 1);  // the fork server is there
              pool::WorkerTable table = pool::WorkerTable::create();
              const pool::PoolRings rings = pool::make_rings();
              Witness witness;
              pool::Workforce workforce(
                  {}, table, {rings.tasks->fd(), rings.results->fd(), table.fd()}, witness);
              workforce.kill();
              quiet_events();
              workforce.start();
              workforce.join();
              return witness.exit_code == -SIGKILL && workforce.pids().empty() ? 0 : 1;
            }),
            0);
}

// While it lives, the fork server of this process is stopped.
class Stopped {
 public:
  Stopped() : server_(process::fork_server_pid()) {
    if (server_ <= 0 || ::kill(server_, SIGSTOP) != 0) std::abort();
    if (!eventually([&] { return status_field(server_, "State").starts_with("T"); })) std::abort();
  }
  Stopped(const Stopped&) = delete;
  Stopped& operator=(const Stopped&) = delete;
  ~Stopped() { ::kill(server_, SIGCONT); }

 private:
  pid_t server_;
};

// One patience with the process server, and not one for each process.
template <class F>
bool takes_no_more_than_one_patience(F&& call) {
  const auto before = std::chrono::steady_clock::now();
  call();
  return std::chrono::steady_clock::now() - before < 3 * process::Child::kServerTime;
}

// A pool of six, at work, whose process server is stopped: `end` and join() are over in time.
template <class F>
int ends_in_time(F end) {
  return in_fork([&] {
    Pool pool(6);
    pool.apply(cube, 1);
    const Stopped stopped;
    return takes_no_more_than_one_patience([&] {
      end(pool);
      pool.join();
    }) ? 0 : 1;
  });
}

TEST(PoolWorkforce, IsEndedThoughItsProcessServerStandsStill) {
  EXPECT_EQ(ends_in_time([](Pool& pool) { pool.terminate(); }), 0);
}

TEST(PoolWorkforce, WorkersThatAreGoneAreNotedTogetherThoughTheirProcessServerStandsStill) {
  EXPECT_EQ(ends_in_time([](Pool& pool) { pool.close(); }), 0);
}

void pauses() {
  for (;;) ::pause();
}

TEST(PoolWorkforce, ProcessesAreEndedWithTheProgramThoughTheirProcessServerStandsStill) {
  EXPECT_EQ(in_fork([] {
              std::vector<Process> daemons;
              for (int i = 0; i < 6; ++i) {
                daemons.emplace_back(ProcessOptions{.daemon = true}, pauses);
                daemons.back().start();
              }
              bool in_time = false;
              {
                const Stopped stopped;
                in_time =
                    takes_no_more_than_one_patience([] { process::ProcessState::get().settle(); });
              }
              for (Process& each : daemons) each.join();
              return in_time ? 0 : 1;
            }),
            0);
}

TEST(PoolWorkforce, ProcessesThatOnlyAProcessServerMayEndAreAwaitedTogether) {
  EXPECT_EQ(in_fork([] {
              std::vector<Process> daemons;
              for (int i = 0; i < 6; ++i) {
                daemons.emplace_back(ProcessOptions{.daemon = true}, pauses);
                daemons.back().start();
              }
              // Only a process server may send signals then, by their numbers.
              refuse_call(SYS_pidfd_send_signal, ENOSYS);
              bool in_time = false;
              {
                const Stopped stopped;
                in_time =
                    takes_no_more_than_one_patience([] { process::ProcessState::get().settle(); });
              }
              for (Process& each : daemons) each.join();
              return in_time ? 0 : 1;
            }),
            0);
}

void never_runs(process::ChildContext&, std::string_view) { std::abort(); }

TEST(Launch, IsGivenUpThoughItsProcessServerStandsStill) {
  EXPECT_EQ(in_fork([] {
              Pool(1).apply(cube, 1);
              const shm::UniqueFd enough(::eventfd(1, EFD_CLOEXEC));
              process::Launch order;
              order.entry = never_runs;
              order.name = "nobody";
              order.give_up = enough.get();
              const Stopped stopped;
              try {
                process::launch(order);
              } catch (const Closed&) {
                return 0;
              }
              return 1;
            }),
            0);
}

}  // namespace
}  // namespace steward::detail::test
