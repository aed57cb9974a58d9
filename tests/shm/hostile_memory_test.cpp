// A process of the same user may write anything into the shared memory of a queue. The others get
// exceptions, wrong items or run out of time; none crashes, reads or writes outside of its mapping,
// or waits beyond its deadline.
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include <steward/shm/pidfd.hpp>

#include <steward/tests/client/seed.hpp>
#include <steward/tests/shm/ring_ledger.hpp>
#include <steward/tests/shm/stepped.hpp>
#include <steward/tests/shm/vandal.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using shm::Item;
using shm::SharedQueue;
using Clock = std::chrono::steady_clock;

// A healthy operation takes microseconds.
constexpr auto kHang = 60s;

bool full_run() { return std::getenv("STEWARD_FULL") != nullptr; }

// Where queues are mapped in this process.
class Mappings {
 public:
  Mappings() {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      if (line.find("steward-queue") == std::string::npos) continue;
      Part part;
      char dash = 0;
      std::istringstream(line) >> std::hex >> part.begin >> dash >> part.end;
      parts_.push_back(part);
    }
  }

  bool contain(std::span<const std::byte> bytes) const {
    const auto begin = reinterpret_cast<std::uintptr_t>(bytes.data());
    return std::ranges::any_of(parts_, [&](const Part& part) {
      return begin >= part.begin && begin <= part.end && bytes.size() <= part.end - begin;
    });
  }

 private:
  struct Part {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
  };
  std::vector<Part> parts_;
};

struct VictimLog {
  std::atomic<std::uint64_t> operations;
  std::atomic<unsigned> last;  // which it is in
  std::atomic<std::uint64_t> refused;
  std::atomic<bool> stop;
  std::atomic<bool> outside;  // it was handed memory that is not the queue's
};

// Does one thing after another, whatever comes of it.
class Victim {
 public:
  Victim(VictimLog& log, const shm::QueueMemory& memory, std::uint64_t seed)
      : log_(log), random_(seed), fd_(::dup(memory.segment().fd())) {}

  void run() {
    while (!log_.stop) {
      const auto what = static_cast<unsigned>(random_() % 16);
      log_.last = what;
      try {
        if (!queue_) open();
        else operate(what);
      } catch (const core::Failure&) {
        ++log_.refused;
      }
      ++log_.operations;
    }
    log_.last = 99;
    queue_.reset();
    ++log_.operations;
  }

 private:
  void open() {
    queue_ = SharedQueue::open(shm::UniqueFd(::dup(fd_.get())));
    mappings_ = {};
  }

  void check(std::span<const std::byte> bytes) {
    if (!mappings_.contain(bytes)) log_.outside = true;
  }

  core::Deadline soon() {
    return random_() % 8 != 0 ? core::Deadline(SharedQueue::kNow) : core::deadline_after(200us);
  }

  void operate(unsigned what) {
    const auto read = [&](const Item& item) {
      check(item.bytes);
      unsigned sum = 0;
      for (const std::byte b : item.bytes) sum += static_cast<unsigned>(b);
      sum_ = sum_ + sum;
    };
    const std::string item(random_() % 3 == 0 ? 500 : 20, 'x');
    switch (what) {
      case 0:
      case 1:
      case 2: queue_->put(bytes(item), 0, soon()); break;
      case 3: {
        std::size_t done = 0;
        const std::vector<std::span<const std::byte>> items(5, bytes(item));
        queue_->put_many(items, 0, soon(), done);
        break;
      }
      case 4:
      case 5: test::get(*queue_, read, soon()); break;
      case 6: test::get_many(*queue_, 5, read, soon()); break;
      case 7: test::reserve(*queue_, {}, read, soon(), held_); break;
      case 8: test::reserve(*queue_, core::deadline_after(1ms), read, soon(), held_); break;
      case 9: queue_->ack(held_); break;
      case 10: queue_->nack(held_); break;
      case 11: queue_->touch(held_, *core::deadline_after(1ms)); break;
      case 12: {
        SharedQueue::Loan loan;
        if (queue_->loan(item.size(), 64, loan) != SharedQueue::Outcome::done) break;
        check(loan.bytes);
        std::memcpy(loan.bytes.data(), item.data(), item.size());
        if (queue_->commit(loan, 0, soon()) != SharedQueue::Outcome::done) {
          queue_->give_back(loan);
        }
        break;
      }
      case 13:
        queue_->size();
        queue_->full();
        queue_->task_done();
        queue_->join(soon());
        break;
      case 14: queue_->recover_dead(); break;
      default:
        if (random_() % 8 == 0) queue_->close();
        queue_.reset();
        held_ = {};
        break;
    }
  }

  VictimLog& log_;
  std::mt19937_64 random_;
  shm::UniqueFd fd_;
  std::unique_ptr<SharedQueue> queue_;
  Mappings mappings_;
  shm::Held held_;
  volatile unsigned sum_ = 0;
};

class VictimProcess {
 public:
  VictimProcess(VictimLog& log, const shm::QueueMemory& memory, std::uint64_t seed) : log_(log) {
    pid_ = ::fork();
    if (pid_ != 0) {
      pidfd_ = shm::pidfd_of(pid_);
      return;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    Victim(log, memory, seed).run();
    ::_exit(0);
  }
  VictimProcess(const VictimProcess&) = delete;
  VictimProcess& operator=(const VictimProcess&) = delete;
  ~VictimProcess() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  // Waits until it has done so many operations more.
  void wait(std::uint64_t more) {
    const std::uint64_t end = log_.operations + more;
    watch([&] { return log_.operations >= end; });
  }
  // Until it has come to a good end.
  void join() {
    log_.stop = true;
    watch([] { return false; });
    ASSERT_TRUE(pid_ < 0 || testing::Test::HasFailure());
  }

 private:
  template <class Done>
  void watch(Done done) {
    std::uint64_t seen = log_.operations;
    auto since = Clock::now();
    while (pid_ > 0 && !done()) {
      pollfd end{pidfd_.get(), POLLIN, 0};
      if (::poll(&end, 1, 1) == 1) {
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        EXPECT_EQ(status, 0) << "in operation " << log_.last;
        EXPECT_TRUE(log_.stop) << "it left early";
        return;
      }
      if (log_.operations != seen) {
        seen = log_.operations;
        since = Clock::now();
      }
      if (Clock::now() - since > kHang) {
        ADD_FAILURE() << "operation " << log_.last << " does not end";
        return;
      }
    }
  }

  VictimLog& log_;
  pid_t pid_ = -1;
  shm::UniqueFd pidfd_;
};

class HostileMemory : public testing::TestWithParam<shm::QueueShape> {};

TEST_P(HostileMemory, HarmsNoProcessThatUsesIt) {
  const int queues = full_run() ? 2500 : 100;
  constexpr int kStrikes = 20;
  std::mt19937_64 random(seed());
  std::uint64_t operations = 0;
  std::uint64_t refused = 0;
  for (int i = 0; i < queues && !HasFailure(); ++i) {
    SCOPED_TRACE(testing::Message() << "queue " << i);
    const auto memory = shm::QueueMemory::create(GetParam());
    Vandal vandal(memory, random());
    const Outliving<VictimLog> log;
    VictimProcess victim(*log, memory, random());
    victim.wait(random() % 60);
    for (int strike = 0; strike < kStrikes && !HasFailure(); ++strike) {
      vandal.strike();
      if (random() % 40 == 0) vandal.strike_descriptor();
      if (random() % 2 == 0) victim.wait(random() % 6);
    }
    victim.wait(20);
    victim.join();
    EXPECT_FALSE(log->outside);
    operations += log->operations;
    refused += log->refused;
  }
  std::printf("%d strikes, %llu operations, %llu of them refused\n", queues * kStrikes,
              static_cast<unsigned long long>(operations),
              static_cast<unsigned long long>(refused));
  EXPECT_GT(refused, 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Ring, HostileMemory,
    testing::Values(shm::QueueShape{.maxsize = 8, .message_bytes = 1000},
                    shm::QueueShape{.maxsize = 0, .message_bytes = 1000}),
    [](const auto& test) { return test.param.maxsize == 0 ? "Unbounded" : "Bounded"; });

}  // namespace
}  // namespace steward::detail::test
