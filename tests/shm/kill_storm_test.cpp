// Processes that put and take are killed and stopped at any time, under load.
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include <steward/tests/client/seed.hpp>
#include <steward/tests/shm/ring_ledger.hpp>
#include <steward/tests/shm/storm.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using shm::SharedQueue;
using Clock = std::chrono::steady_clock;

bool full_run() { return std::getenv("STEWARD_FULL") != nullptr; }

std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* entries = ::opendir("/proc/self/fd");
  while (::readdir(entries) != nullptr) ++count;
  ::closedir(entries);
  return count;
}

class Storm {
 public:
  Storm(const shm::QueueShape& shape, std::uint64_t seed)
      : random_(seed), queue_(SharedQueue::create(shape)) {}
  Storm(const Storm&) = delete;
  Storm& operator=(const Storm&) = delete;
  ~Storm() {
    for (auto& worker : workers_) kill(worker);
    reap();
  }

  SharedQueue& queue() { return *queue_; }

  // Kills that many, fewer if the log is full before; then lets all come to an end. How many.
  int blow(int kills) {
    log_->clear();
    log_->bell = notifier_.get();
    next_id_ = 1;
    for (auto& worker : workers_) start(worker);
    int killed = 0;
    while (killed < kills && next_id_ < StormLog::kProcessesMax && !log_->nearly_full()) {
      wait_for_deliveries(random_() % 400);
      if (testing::Test::HasFailure()) return killed;
      Worker& worker = workers_[random_() % workers_.size()];
      // Up to one of each kind is stopped for a while.
      if (stopped_[worker.produces] == nullptr && random_() % 4 == 0) {
        stopped_[worker.produces] = &worker;
        ::kill(worker.pid, SIGSTOP);
        continue;
      }
      Worker*& stopped = stopped_[worker.produces];
      if (stopped != nullptr && stopped != &worker && random_() % 2 == 0) {
        ::kill(std::exchange(stopped, nullptr)->pid, SIGCONT);
      }
      if (stopped == &worker) stopped = nullptr;
      kill(worker);
      ++killed;
      start(worker);
    }
    end();
    return killed;
  }

  std::uint64_t deliveries() const { return log_->deliveries; }

 private:
  struct Worker {
    bool produces = false;
    pid_t pid = -1;
    std::uint32_t id = 0;
  };

  void start(Worker& worker) {
    worker.id = next_id_++;
    const std::uint64_t seed = random_();
    worker.pid = ::fork();
    if (worker.pid != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    static_cast<void>(::nice(3));  // so that the one who kills gets its turn among them
    try {
      const auto mine = again(*queue_);
      if (worker.produces) produce(*log_, *mine, worker.id, seed);
      else consume(*log_, *mine, worker.id, seed);
    } catch (const std::exception& exception) {
      std::fprintf(stderr, "in a worker: %s\n", exception.what());
      log_->failed = true;
      ::_exit(1);
    }
    ::_exit(0);
  }

  // It dies when it gets a processor: nobody waits for that here.
  void kill(Worker& worker) {
    if (worker.pid <= 0) return;
    ::kill(worker.pid, SIGKILL);
    log_->killed[worker.id] = true;
    dying_.push_back(std::exchange(worker.pid, -1));
  }

  void reap() {
    for (const pid_t pid : dying_) {
      int status = 0;
      EXPECT_EQ(::waitpid(pid, &status, 0), pid);
      EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "status " << status;
    }
    dying_.clear();
  }

  void join(Worker& worker) {
    int status = 0;
    EXPECT_EQ(::waitpid(worker.pid, &status, 0), worker.pid);
    EXPECT_EQ(status, 0);
    worker.pid = -1;
  }

  // Whoever is stopped or was killed: the others get on.
  void wait_for_deliveries(std::uint64_t more) {
    const auto give_up = Clock::now() + 30s;
    const std::uint64_t end = log_->deliveries + more;
    log_->notifier_at = end;
    while (log_->deliveries <= end && !log_->nearly_full()) {
      ASSERT_FALSE(log_->failed);
      ASSERT_LT(Clock::now(), give_up) << "nothing is delivered any more";
      // In slices: who should ring may have been killed.
      pollfd ring{notifier_.get(), POLLIN, 0};
      ::poll(&ring, 1, 5);
      std::uint64_t rung = 0;
      static_cast<void>(::read(notifier_.get(), &rung, sizeof rung));
    }
  }

  void end() {
    for (Worker*& stopped : stopped_) {
      if (stopped != nullptr) ::kill(std::exchange(stopped, nullptr)->pid, SIGCONT);
    }
    log_->no_more_puts = true;
    for (auto& worker : workers_) {
      if (worker.produces) join(worker);
    }
    log_->no_more_gets = true;
    for (auto& worker : workers_) {
      if (!worker.produces) join(worker);
    }
    reap();
    queue_->recover_dead();
    consume_rest(*log_, *queue_, next_id_);
    const auto wrong = flaws(*log_);
    for (std::size_t i = 0; i < wrong.size() && i < 20; ++i) ADD_FAILURE() << wrong[i];
    expect_nothing_lost(*queue_);
  }

  std::mt19937_64 random_;
  std::unique_ptr<SharedQueue> queue_;
  Outliving<StormLog> log_;
  shm::UniqueFd notifier_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::array<Worker, 6> workers_{{{true}, {false}, {true}, {false}, {true}, {false}}};
  std::array<Worker*, 2> stopped_{};
  std::vector<pid_t> dying_;
  std::uint32_t next_id_ = 1;
};

class KillStorm : public testing::TestWithParam<shm::QueueShape> {};

TEST_P(KillStorm, LosesAndDoublesNothing) {
  const std::size_t descriptors = open_descriptors();
  const int kills = full_run() ? 10'000 : 200;
  std::uint64_t deliveries = 0;
  {
    Storm storm(GetParam(), seed());
    for (int done = 0; done < kills && !HasFailure();) {
      done += storm.blow(std::min(kills - done, 500));
      deliveries += storm.deliveries();
    }
    expect_usable(storm.queue());
  }
  std::printf("%d kills, %llu deliveries\n", kills, static_cast<unsigned long long>(deliveries));
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

INSTANTIATE_TEST_SUITE_P(
    Ring, KillStorm,
    testing::Values(shm::QueueShape{.maxsize = 12, .message_bytes = 1000},
                    shm::QueueShape{.maxsize = 0, .message_bytes = 1000}),
    [](const auto& test) { return test.param.maxsize == 0 ? "Unbounded" : "Bounded"; });

}  // namespace
}  // namespace steward::detail::test
