#include <steward/shm/wait_any.hpp>

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>

namespace steward::detail::shm {
namespace {

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
constexpr core::Duration kLookAgain = std::chrono::milliseconds(10);

timespec on_the_clock(core::Time time) {
  const auto since = time.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
  return {seconds.count(),
          static_cast<long>((std::chrono::nanoseconds(since) - seconds).count())};
}

}  // namespace

Slept sleep_on_any(std::span<const SeenWord> words, core::Time until) {
  const SeenWord& first = words.front();
  if (words.size() == 1) {
    sleep_on(*first.word, first.seen, until);
    return std::chrono::steady_clock::now() < until ? Slept::woken : Slept::timeout;
  }
  if (words.size() <= kWordsMax) {
    std::array<FutexWait, kWordsMax> waits;
    std::ranges::transform(words, waits.begin(), [](const SeenWord& each) {
      return FutexWait{each.seen, reinterpret_cast<std::uintptr_t>(each.word), kFutex32, 0};
    });
    const timespec time = on_the_clock(until);
    if (::syscall(kFutexWaitv, waits.data(), words.size(), 0, &time, CLOCK_MONOTONIC) >= 0) {
      return Slept::woken;
    }
    if (errno == ETIMEDOUT) return Slept::timeout;
    if (errno != ENOSYS && errno != EINVAL && errno != EPERM) return Slept::woken;
  }
  const core::Time soon = std::chrono::steady_clock::now() + kLookAgain;
  sleep_on(*first.word, first.seen, std::min(until, soon));
  return Slept::timeout;
}

}  // namespace steward::detail::shm
