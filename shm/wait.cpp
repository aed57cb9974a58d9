#include <steward/shm/wait.hpp>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace steward::detail::shm {
namespace {

// Not private: the word is known by its page, whatever its address in a process.
long futex(FutexWord& word, int operation, std::uint32_t value, const timespec* until,
           std::uint32_t bits) {
  static_assert(sizeof(word) == sizeof(std::uint32_t));
  return ::syscall(SYS_futex, &word, operation, value, until, nullptr, bits);
}

int futex_wake(FutexWord& word, int n) {
  const long woken = futex(word, FUTEX_WAKE, static_cast<std::uint32_t>(n), nullptr, 0);
  return woken > 0 ? static_cast<int>(woken) : 0;
}

constexpr int kAll = 0x7fffffff;

}  // namespace

void wake_sleepers(FutexWord& word, std::uint32_t seen, int n) {
  if (futex_wake(word, n) >= n) return;
  // Fewer slept than were meant. Who is about to must not: the word it saw ends here.
  if (word.compare_exchange_strong(seen, (seen & ~1U) + 2, std::memory_order_seq_cst)) {
    futex_wake(word, kAll);
  }
}

void wake_all(FutexWord& word) {
  word.fetch_add(2, std::memory_order_seq_cst);
  futex_wake(word, kAll);
}

bool sleep_on(FutexWord& word, std::uint32_t seen, core::Time until) {
  const auto since = until.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
  const timespec time{seconds.count(),
                      static_cast<long>((std::chrono::nanoseconds(since) - seconds).count())};
  // BITSET: the time is absolute, on the monotonic clock, so that retries do not stretch it.
  return futex(word, FUTEX_WAIT_BITSET, seen, &time, FUTEX_BITSET_MATCH_ANY) < 0 && errno == EINTR;
}

void Spin::paid() {
  budget_.store(kMax.count(), std::memory_order_relaxed);
  penalty_.store(1, std::memory_order_relaxed);
}

void Spin::in_vain() {
  const std::int64_t half = budget_.load(std::memory_order_relaxed) / 2;
  if (half >= kMin.count()) {
    budget_.store(half, std::memory_order_relaxed);
    return;
  }
  const int penalty = penalty_.load(std::memory_order_relaxed);
  budget_.store(0, std::memory_order_relaxed);
  rest_.store(16 * penalty, std::memory_order_relaxed);
  penalty_.store(std::min(2 * penalty, 64), std::memory_order_relaxed);
}

void Spin::slept(Duration took) {
  if (budget_.load(std::memory_order_relaxed) > 0 || took > 2 * kMax) return;
  if (rest_.fetch_sub(1, std::memory_order_relaxed) > 0) return;
  budget_.store(kMax.count(), std::memory_order_relaxed);
}

}  // namespace steward::detail::shm
