// Clients of one queue are killed at any time, under load: those with its ring in shared memory and
// those that go through the manager, in a mix.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/steward.hpp>

#include <steward/tests/client/seed.hpp>
#include <steward/tests/crash/eventually.hpp>
#include <steward/tests/general_road.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

bool full_run() { return std::getenv("STEWARD_FULL") != nullptr; }

struct Job {
  std::uint32_t producer = 0;
  std::uint32_t number = 0;
};

// What became of each item, in a file that survives who writes it.
struct Ledger {
  static constexpr std::uint32_t kProducersMax = 8192;
  static constexpr std::uint32_t kItemsMax = 8192;

  struct Fate {
    std::atomic<std::uint8_t> fresh;  // how often it came unflagged
    std::atomic<std::uint8_t> again;  // and flagged
    std::atomic<std::uint8_t> acknowledged;
  };
  struct Producer {
    std::atomic<std::uint32_t> begun;
    std::atomic<std::uint32_t> done;
    std::array<Fate, kItemsMax> items;
  };

  std::atomic<std::uint64_t> deliveries;
  std::atomic<bool> no_more_puts;
  std::array<Producer, kProducersMax> producers;
};

class SharedLedger {
 public:
  explicit SharedLedger(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ::ftruncate(fd, sizeof(Ledger)) != 0) throw std::runtime_error("no ledger");
    void* at = ::mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    if (at == MAP_FAILED) throw std::runtime_error("no memory for the ledger");
    ledger_ = static_cast<Ledger*>(at);  // nothing but zeros, or what others wrote
  }
  SharedLedger(const SharedLedger&) = delete;
  SharedLedger& operator=(const SharedLedger&) = delete;
  ~SharedLedger() { ::munmap(static_cast<void*>(ledger_), sizeof(Ledger)); }

  Ledger* operator->() const { return ledger_; }

 private:
  Ledger* ledger_;
};

void produce(Queue<Job> queue, std::string path, std::uint32_t me) {
  const SharedLedger ledger(path);
  auto& mine = ledger->producers[me];
  for (std::uint32_t i = 0; i < Ledger::kItemsMax && !ledger->no_more_puts; ++i) {
    mine.begun = i + 1;
    queue.put({me, i});
    mine.done = i + 1;
  }
}

void consume(Queue<Job> queue, std::string path, std::uint64_t seed) {
  const SharedLedger ledger(path);
  std::mt19937_64 random(seed);
  try {
    for (;;) {
      auto job = queue.reserve(1h);
      auto& fate = ledger->producers[job.value().producer].items[job.value().number];
      ++(job.redelivered() ? fate.again : fate.fresh);
      ++ledger->deliveries;
      if (random() % 8 == 0) {
        job.nack();
      } else if (job.ack()) {
        ++fate.acknowledged;
      }
    }
  } catch (const Closed&) {
  }
}

class QueueStorm : public testing::Test {
 protected:
  static constexpr std::size_t kWorkers = 8;

  ~QueueStorm() override { std::filesystem::remove(path_); }

  void start(std::size_t worker) {
    // Half of them are as if they were on another host.
    std::optional<GeneralRoad> through_the_manager;
    if (worker % 2 == 0) through_the_manager.emplace();
    if (worker < kWorkers / 2) {
      workers_[worker].emplace(produce, queue_, path_, producers_++);
    } else {
      workers_[worker].emplace(consume, queue_, path_, random_());
    }
    workers_[worker]->start();
  }
  void kill(std::size_t worker) {
    workers_[worker]->kill();
    workers_[worker]->join();
  }

  std::mt19937_64 random_{seed()};
  const std::string path_ = testing::TempDir() + "steward-storm-" + std::to_string(::getpid());
  SharedLedger ledger_{path_};
  Manager manager_;
  Queue<Job> queue_ = manager_.queue<Job>(64);
  std::array<std::optional<Process>, kWorkers> workers_;
  std::uint32_t producers_ = 0;
};

TEST_F(QueueStorm, LosesNothingAndDeliversNothingTwiceUnflagged) {
  const unsigned kills = full_run() ? 2000 : 60;
  for (std::size_t i = 0; i < kWorkers; ++i) start(i);
  for (unsigned k = 0; k < kills; ++k) {
    const std::uint64_t next = ledger_->deliveries + random_() % 300;
    // Producers may have come to their end, and somebody must go on.
    ASSERT_TRUE(eventually([&] {
      for (std::size_t i = 0; i < kWorkers / 2; ++i) {
        if (!workers_[i]->is_alive()) start(i);
      }
      return ledger_->deliveries >= next;
    })) << "nothing comes any more after " << k << " kills\n" << manager_.debug_info();
    const std::size_t worker = random_() % kWorkers;
    kill(worker);
    start(worker);
  }
  ledger_->no_more_puts = true;
  for (std::size_t i = 0; i < kWorkers / 2; ++i) workers_[i]->join();
  // Whatever the dead had comes back, and is done.
  queue_.with_timeout(1min).join();
  queue_.close();
  for (auto& worker : workers_) worker->join();

  std::uint64_t items = 0;
  std::uint64_t unsaid = 0;  // acknowledged by one who was killed before it wrote that down
  std::uint64_t uncertain = 0;
  for (std::uint32_t p = 0; p < producers_; ++p) {
    const auto& producer = ledger_->producers[p];
    for (std::uint32_t i = 0; i < producer.begun; ++i) {
      const auto& fate = producer.items[i];
      const int deliveries = fate.fresh + fate.again;
      EXPECT_LE(fate.fresh, 1) << p << "." << i;
      EXPECT_LE(fate.acknowledged, 1) << p << "." << i;
      EXPECT_TRUE(deliveries > 0 || i >= producer.done) << p << "." << i << " was lost";
      items += deliveries > 0 ? 1 : 0;
      unsaid += deliveries > 0 && fate.acknowledged == 0 ? 1 : 0;
      uncertain += i >= producer.done ? 1 : 0;
    }
  }
  EXPECT_GT(items, kills);
  EXPECT_LE(unsaid, kills);
  EXPECT_LE(uncertain, kills);
  std::printf("%u kills, %llu items, %llu deliveries\n", kills,
              static_cast<unsigned long long>(items),
              static_cast<unsigned long long>(ledger_->deliveries.load()));
}

}  // namespace
}  // namespace steward::detail::test
