// A number is its process's for as long as any part of that process lives, and no longer.
#include <steward/shm/participant.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/tests/client/forked.hpp>
#include <steward/tests/crash/eventually.hpp>
#include <steward/tests/shm/ring_ledger.hpp>

namespace steward::detail::test {
namespace {

using shm::NoMemory;
using shm::Participant;
using shm::QueueMemory;
using shm::SharedQueue;
using shm::UniqueFd;

constexpr shm::QueueShape kSmall{.maxsize = 8, .message_bytes = 96};

// Something to wait at until the test lets go; who waits there ends with the test, too.
class Gate {
 public:
  Gate() {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) std::abort();
  }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() {
    ::close(ends_[0]);
    open();
  }

  // In a child, of which no part may keep it closed.
  void wait() {
    open();
    char none = 0;
    static_cast<void>(::read(ends_[0], &none, 1));
  }
  void open() {
    if (ends_[1] >= 0) ::close(std::exchange(ends_[1], -1));
  }
  int waiting_end() const { return ends_[0]; }

 private:
  std::array<int, 2> ends_{-1, -1};
};

void say(int out, const std::string& word) {
  static_cast<void>(::write(out, (word + '\n').data(), word.size() + 1));
}

// Of this process or of a child; what it holds is never given back but by recovery.
SharedQueue& hold_one(const SharedQueue& shared) {
  SharedQueue& mine = *again(shared).release();
  shm::Held held;
  test::reserve(mine, {}, [](const shm::Item&) {}, SharedQueue::kNow, held);
  return mine;
}

char state_of(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(stat, text);
  const auto name_end = text.rfind(')');
  return name_end == std::string::npos ? '?' : text[name_end + 2];
}

// What is left to get once the dead have been looked for.
std::string after_recovery(SharedQueue& queue) {
  queue.recover_dead();
  return next(queue);
}

TEST(Participant, IsAliveWhileAnyThreadOfItsProcessIs) {
  const auto queue = SharedQueue::create(kSmall);
  put(*queue, "held");
  Gate gate;
  Forked process([&](int) {
    hold_one(*queue);
    std::thread([&] {
      gate.wait();
      ::_exit(0);
    }).detach();
    ::syscall(SYS_exit, 0);  // of this thread, the first, alone
    return 1;
  });
  ASSERT_TRUE(eventually([&] { return state_of(process.pid()) == 'Z'; }));
  EXPECT_EQ(after_recovery(*queue), "(empty)");
  gate.open();
  EXPECT_EQ(process.join(), 0);
  EXPECT_EQ(after_recovery(*queue), "again_held");
}

TEST(Participant, IsDeadWithItsProcessWhateverChildItLeaves) {
  for (const bool executes : {false, true}) {
    const auto queue = SharedQueue::create(kSmall);
    put(*queue, "held");
    Gate gate;
    Forked process([&](int out) {
      hold_one(*queue);
      if (::fork() != 0) ::pause();
      ::prctl(PR_SET_PDEATHSIG, 0);
      if (executes) {
        ::dup2(gate.waiting_end(), 0);
        gate.open();
        say(out, "here");
        ::execlp("cat", "cat", nullptr);
        ::_exit(1);
      }
      say(out, "here");
      gate.wait();
      return 0;
    });
    ASSERT_EQ(process.line(), "here");
    process.kill();
    // An exec takes a moment to come to pass.
    EXPECT_TRUE(eventually([&] { return after_recovery(*queue) == "again_held"; })) << executes;
  }
}

TEST(Participant, SharesItsNumberWithNoOtherOfItsProcess) {
  const QueueMemory memory = QueueMemory::create(kSmall);
  constexpr std::size_t kMany = 16;
  std::vector<QueueMemory> memories;
  for (std::size_t i = 0; i < kMany; ++i) {
    memories.push_back(QueueMemory::open(UniqueFd(::dup(memory.segment().fd()))));
  }
  std::vector<std::unique_ptr<Participant>> participants(kMany);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kMany; ++i) {
    threads.emplace_back([&, i] { participants[i] = std::make_unique<Participant>(memories[i]); });
  }
  for (auto& thread : threads) thread.join();
  std::vector<unsigned> numbers;
  for (const auto& participant : participants) numbers.push_back(participant->number());
  std::ranges::sort(numbers);
  for (unsigned i = 0; i < kMany; ++i) EXPECT_EQ(numbers[i], i + 1);
}

TEST(Participant, IsGoneThoughItsDescriptorLivesOn) {
  QueueMemory memory = QueueMemory::create(kSmall);
  const UniqueFd passed(::dup(memory.segment().fd()));
  {
    QueueMemory other = QueueMemory::open(UniqueFd(::dup(passed.get())));
    const Participant first(other);
    EXPECT_EQ(first.number(), 1U);
  }
  const Participant second(memory);
  EXPECT_EQ(second.number(), 1U);
}

TEST(Participant, WhoComesLateDoesNotStandForTheMaker) {
  auto maker = SharedQueue::create(kSmall);
  const UniqueFd passed(::dup(maker->fd()));
  const auto early = SharedQueue::open(UniqueFd(::dup(passed.get())));
  EXPECT_FALSE(early->manager_is_gone());
  maker.reset();
  const auto late = SharedQueue::open(UniqueFd(::dup(passed.get())));
  EXPECT_TRUE(early->manager_is_gone());
  EXPECT_TRUE(late->manager_is_gone());
}

// All other numbers are taken by one who locks them at once.
TEST(Participant, HasTheLastNumberAndThereIsNoneBeyond) {
  QueueMemory memory = QueueMemory::create(kSmall);
  const std::string path = "/proc/self/fd/" + std::to_string(memory.segment().fd());
  UniqueFd others(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = 1;
  lock.l_len = shm::kOwnersMax - 1;
  ASSERT_EQ(::fcntl(others.get(), F_OFD_SETLK, &lock), 0);

  auto last = SharedQueue::open(UniqueFd(::dup(memory.segment().fd())));
  EXPECT_THROW(Participant{memory}, NoMemory);
  put(*last, "held");
  put(*last, "queued");
  shm::Held held;
  test::reserve(*last, {}, [](const shm::Item&) {}, SharedQueue::kNow, held);
  last.reset();
  last = SharedQueue::open(UniqueFd(::dup(memory.segment().fd())));
  EXPECT_EQ(next(*last), "again_held");
  EXPECT_EQ(next(*last), "queued");
  expect_nothing_lost(*last);
}

// Its recoverer dies, and whoever recovers that one has both to recover.
TEST(Participant, IsRecoveredAfterItsRecoverer) {
  const auto queue = SharedQueue::create(kSmall);
  for (const char* item : {"a", "b", "c"}) put(*queue, item);
  Gate gate;
  Forked recoverer([&](int out) {
    SharedQueue& mine = hold_one(*queue);
    if (Forked([&](int) { return hold_one(*queue).size() == 1 ? 0 : 1; }).join() != 0) return 1;
    mine.recover_dead();
    // It takes what came back, and dies too.
    hold_one(mine);
    say(out, "here");
    gate.wait();
    return 0;
  });
  ASSERT_EQ(recoverer.line(), "here");
  recoverer.kill();
  queue->recover_dead();
  EXPECT_EQ(queue->size(), 3U);
  EXPECT_EQ(next(*queue), "again_a");
  EXPECT_EQ(next(*queue), "again_b");
  EXPECT_EQ(next(*queue), "c");
}

}  // namespace
}  // namespace steward::detail::test
