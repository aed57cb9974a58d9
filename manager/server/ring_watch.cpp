#include <steward/manager/server/ring_watch.hpp>

#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <system_error>
#include <utility>

#include <steward/core/signals_blocked.hpp>

namespace steward::server {
namespace {

using Clock = std::chrono::steady_clock;

// As <linux/futex.h> has them since Linux 5.16; older headers do not.
struct FutexWait {
  std::uint64_t value = 0;
  std::uint64_t address = 0;
  std::uint32_t flags = 0;
  std::uint32_t reserved = 0;
};
constexpr long kFutexWaitv = 449;
constexpr std::uint32_t kFutex32 = 2;
constexpr std::size_t kWordsMax = 128;

// Where the kernel cannot sleep on so many words: looking again so often.
constexpr core::Duration kShortSlice = std::chrono::milliseconds(10);
constexpr core::Duration kLong = std::chrono::hours(1);

timespec on_the_clock(core::Time time) {
  const auto since = time.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
  return {seconds.count(),
          static_cast<long>((std::chrono::nanoseconds(since) - seconds).count())};
}

FutexWait wait_for(const shm::FutexWord& word, std::uint32_t seen) {
  return {seen, reinterpret_cast<std::uintptr_t>(&word), kFutex32, 0};
}

bool contains(const std::vector<RingWatch::Word>& words, const shm::FutexWord* word) {
  return std::ranges::find(words, word, &RingWatch::Word::word) != words.end();
}

// Each of them may have had a wake that was meant for one sleeper, and nobody here wants it.
void pass_on(const std::vector<RingWatch::Word>& before,
             const std::vector<RingWatch::Word>& now) {
  for (const RingWatch::Word& old : before) {
    if (!contains(now, old.word)) shm::wake(*old.word, 1);
  }
}

}  // namespace

RingWatch::RingWatch() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_) throw std::system_error(errno, std::generic_category(), "cannot make an eventfd");
}

RingWatch::~RingWatch() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
  }
  shm::wake_all(kick_);
  thread_.join();
}

RingWatch::News RingWatch::take_news() {
  std::uint64_t count = 0;
  const bool any = ::read(event_.get(), &count, sizeof count) == sizeof count;
  return {any, slice_passed_.exchange(false)};
}

void RingWatch::tell(bool slice) {
  if (slice) slice_passed_ = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
}

void RingWatch::watch(std::vector<Word> words, core::Duration slice) {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_ && words == words_ && (slice == slice_ || words.empty())) return;
    words_.swap(words);
    slice_ = slice;
    ++turn_;
    idle_ = false;
  }
  shm::wake_all(kick_);
  if (thread_.joinable()) return;
  const core::SignalsBlocked scope;
  thread_ = std::thread([this] { run(); });
}

void RingWatch::run() {
  std::vector<Word> words;
  core::Duration slice{};
  std::uint64_t turn = 0;
  bool idle = true;
  for (;;) {
    // Before the look at what there is to do: what is handed over after it changes the word.
    const std::uint32_t kick = kick_.load(std::memory_order_seq_cst);
    std::vector<Word> before;
    bool interrupted = false;
    {
      const std::lock_guard lock(mutex_);
      if (end_) break;
      if (turn != turn_) {
        // A wake may have come while the list was being changed: the loop has to look again.
        interrupted = !idle && !words.empty();
        before = std::exchange(words, words_);
        slice = slice_;
        turn = turn_;
        idle = false;
      } else if (idle) {
        idle_ = true;
      }
    }
    pass_on(before, words);
    if (interrupted) tell(false);
    const bool nothing = idle || words.empty();
    const Slept slept = sleep(nothing ? std::vector<Word>() : words, kick, nothing ? kLong : slice);
    if (nothing) continue;
    {
      const std::lock_guard lock(mutex_);
      if (turn != turn_ || end_) continue;
      idle = idle_ = true;
    }
    tell(slept == Slept::slice);
  }
  // Whoever sleeps elsewhere goes on by itself: the rings end with their server.
}

RingWatch::Slept RingWatch::sleep(const std::vector<Word>& words, std::uint32_t kick,
                                  core::Duration slice) {
  if (words.size() < kWordsMax) {
    std::vector<FutexWait> waits{wait_for(kick_, kick)};
    for (const Word& word : words) waits.push_back(wait_for(*word.word, word.seen));
    const timespec until = on_the_clock(Clock::now() + slice);
    if (::syscall(kFutexWaitv, waits.data(), waits.size(), 0, &until, CLOCK_MONOTONIC) >= 0) {
      return Slept::woken;
    }
    if (errno == ETIMEDOUT) return Slept::slice;
    if (errno != ENOSYS && errno != EINVAL && errno != EPERM) return Slept::woken;
  }
  shm::sleep_on(kick_, kick, Clock::now() + std::min(slice, words.empty() ? kLong : kShortSlice));
  return Slept::slice;
}

}  // namespace steward::server
