// Waiting and waking on a word in shared memory.
//
// Thread safety: everything may be called by any thread of any process.
//
// Invariants (model/futex.pml is the proof):
//   1. word = sequence:31 | flag:1. The flag says that somebody may sleep; a sleeper sets it, looks
//      once more and only then sleeps, on exactly the word that it saw.
//   2. Whoever changes what sleepers wait for looks at the flag afterwards. Both sides use
//     sequentially consistent
//      operations, so one of them sees the other.
//   3. The flag is taken away only by a wake that found fewer sleepers than it was for, with a step
//      of the sequence and a second wake for those who fell asleep in between.
//   4. Whoever was woken, ran out of time, or is to stop, looks once more before it leaves.
//   5. Who asks a waiter to stop says so first, and then wakes everyone on its word.
// No sleeper is counted: a killed one leaves a system call to be made in vain, nothing else.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>

#include <steward/core/clock.hpp>
#include <steward/shm/until.hpp>

namespace steward::detail::shm {

using FutexWord = std::atomic<std::uint32_t>;
static_assert(FutexWord::is_always_lock_free && sizeof(FutexWord) == 4);

void wake_sleepers(FutexWord& word, std::uint32_t seen, int n);

// Wakes up to n who sleep on the word, if there may be any.
inline void wake(FutexWord& word, int n) {
  const std::uint32_t seen = word.load(std::memory_order_seq_cst);
  if ((seen & 1U) != 0) wake_sleepers(word, seen, n);
}
// Everyone, and those about to sleep as well: for changes that were not told (recovery, closing).
void wake_all(FutexWord& word);

// Tells the processor that this is a loop which waits.
inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Tells the processor that this line will be written. Not the builtin: without a flag for newer
// processors it asks for a copy to read, which is of no use to an atomic operation.
inline void prefetch_to_write(const void* address) {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
#else
  __builtin_prefetch(address, 1);
#endif
}

// How long to look before sleeping: about what a wake-up costs, for then no choice is ever much
// worse than the best. 0 where spinning has not paid, as with more running threads than processors;
// tried again now and then. Thread safety: any thread; racing updates lose each other's lesson,
// which is cheap.
class Spin {
 public:
  using Duration = std::chrono::nanoseconds;
  static constexpr Duration kMax = std::chrono::microseconds(40);

  Duration budget() const { return Duration(budget_.load(std::memory_order_relaxed)); }
  void paid();
  void in_vain();
  // A wait that slept at once took so long.
  void slept(Duration took);

 private:
  static constexpr Duration kMin = std::chrono::microseconds(5);

  std::atomic<std::int64_t> budget_{kMax.count()};
  std::atomic<int> rest_{0};     // waits until the next try
  std::atomic<int> penalty_{1};  // grows with each failure
};

// Whether a thread that finds nothing should let several items gather before it looks again. In a
// stream it should: one item or slot at a time, both sides fight for the same lines of memory. In a
// dialogue it should not: there is one, and it is waited for. So it is tried now and then, and kept
// up while it pays. Thread safety: as Spin.
class Gather {
 public:
  static constexpr std::chrono::nanoseconds kTime{10000};

  bool due() { return pays_.load(std::memory_order_relaxed) || try_again(); }
  void learned(bool several) { pays_.store(several, std::memory_order_relaxed); }

 private:
  static constexpr unsigned kEvery = 128;

  bool try_again() {
    return (count_.fetch_add(1, std::memory_order_relaxed) + 1) % kEvery == 0;
  }

  std::atomic<bool> pays_{false};
  std::atomic<unsigned> count_{0};
};

// Spends the time without touching shared memory.
inline void pause_for(std::chrono::nanoseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) relax();
}

// Sleeps while the word is `seen`, until `until` at the latest; woken for nothing now and then.
// True: a signal has come.
bool sleep_on(FutexWord& word, std::uint32_t seen, core::Time until);

enum class Waited { done, timeout, stopped };

// Waits until `look()` is true, the deadline comes, or it is stopped. `at_slice()` runs whenever a
// slice of sleep has passed without one: what was not told (its teller was killed) is found then.
template <class Look, class AtSlice>
Waited wait(FutexWord& word, Spin& spin, Until until, core::Duration slice, Look look,
            AtSlice at_slice) {
  using Clock = std::chrono::steady_clock;
  const core::Deadline deadline = until.deadline();
  const core::Time began = Clock::now();
  if (const auto budget = spin.budget(); budget.count() > 0) {
    const core::Time end = deadline ? std::min(*deadline, began + budget) : began + budget;
    // Ever fewer looks: each one takes the line away from whoever is about to write it.
    for (int pauses = 1; Clock::now() < end; pauses = std::min(2 * pauses, 8)) {
      if (look()) {
        spin.paid();
        return Waited::done;
      }
      for (int i = 0; i < pauses; ++i) relax();
    }
    spin.in_vain();
  }
  const auto wake_here = [&word]() noexcept { wake_all(word); };
  std::optional<std::stop_callback<decltype(wake_here)>> on_stop;
  const Stopping* const stopping = until.stopping();
  if (stopping != nullptr && stopping->possible()) on_stop.emplace(*stopping->token, wake_here);
  bool interrupted = false;
  for (;;) {
    if (look()) break;
    const std::uint32_t seen = word.fetch_or(1, std::memory_order_seq_cst) | 1U;
    // After the flag; and the last look of one whose time is up, or who is to stop.
    if (look()) break;
    if (interrupted || until.stop_requested()) return Waited::stopped;
    const core::Time now = Clock::now();
    if (deadline && now >= *deadline) return Waited::timeout;
    core::Time end = now + slice;
    if (deadline) end = std::min(end, *deadline);
    const bool signalled = sleep_on(word, seen, end);
    const bool over = Clock::now() >= end;
    if (over) at_slice();
    // Also without a signal: one may have come just before the sleep.
    if ((signalled || over) && stopping != nullptr && stopping->interrupted != nullptr) {
      const pid_t process = ::getpid();
      interrupted = stopping->interrupted();
      // A child that the check has forked has not even the memory.
      if (::getpid() != process) return Waited::stopped;
    }
  }
  spin.slept(Clock::now() - began);
  return Waited::done;
}

}  // namespace steward::detail::shm
