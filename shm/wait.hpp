// Waiting and waking on a word in shared memory.
//
// Thread safety: everything may be called by any thread of any process.
//
// Invariants (model/futex.pml is the proof):
//   1. word = sequence:31 | flag:1. The flag says that somebody may sleep; a sleeper sets it, looks
//      once more and only then sleeps, on exactly the word that it saw.
//   2. Who changes the world looks at the flag afterwards. Both sides use sequentially consistent
//      operations, so one of them sees the other.
//   3. The flag is taken away only by a wake that found fewer sleepers than it was for, with a step
//      of the sequence and a second wake for those who fell asleep in between.
//   4. Whoever was woken, or ran out of time, looks once more before it leaves.
// No sleeper is counted: a killed one leaves a system call to be made in vain, nothing else.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

#include <steward/core/clock.hpp>

namespace steward::shm {

using FutexWord = std::atomic<std::uint32_t>;
static_assert(FutexWord::is_always_lock_free && sizeof(FutexWord) == 4);

// Wakes up to n who sleep on the word, if there may be any.
void wake(FutexWord& word, int n);
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

// How long to look before sleeping, learned from how long the waits really took: sleeping costs a
// system call here and one there, spinning a processor. Zero where it does not pay, as with more
// that run than processors; tried again now and then.
class Spin {
 public:
  using Duration = std::chrono::nanoseconds;
  // About what a wake-up costs across processors.
  static constexpr Duration kMax = std::chrono::microseconds(50);

  Duration budget() const { return Duration(budget_.load(std::memory_order_relaxed)); }
  void waited(Duration spun, bool in_vain);
  // A wait that slept at once took so long.
  void slept(Duration took);

 private:
  // Racing updates lose each other's lesson, which is cheap.
  std::atomic<std::int64_t> budget_{Duration(kMax).count() / 4};
  std::atomic<int> rest_{0};      // waits until the next try
  std::atomic<int> penalty_{1};   // how many after the next failure
};

// Sleeps while the word is `seen`, until `until` at the latest; woken for nothing now and then.
void sleep_on(FutexWord& word, std::uint32_t seen, core::Time until);

// Waits until `look()` is true; false: the deadline came first. `at_slice()` runs whenever a slice
// of sleep has passed without one: what was not told (its teller was killed) is found then.
template <class Look, class AtSlice>
bool wait(FutexWord& word, Spin& spin, core::Deadline deadline, core::Duration slice, Look look,
          AtSlice at_slice) {
  using Clock = std::chrono::steady_clock;
  const core::Time began = Clock::now();
  if (const auto budget = spin.budget(); budget.count() > 0) {
    const core::Time end = deadline ? std::min(*deadline, began + budget) : began + budget;
    for (int i = 1;; ++i) {
      if (look()) {
        spin.waited(Clock::now() - began, false);
        return true;
      }
      relax();
      if (i % 16 == 0 && Clock::now() >= end) break;
    }
    spin.waited(budget, true);
  }
  for (;;) {
    if (look()) break;
    const std::uint32_t seen = word.fetch_or(1, std::memory_order_seq_cst) | 1U;
    if (look()) break;  // after the flag, and the last look of one whose time is up
    const core::Time now = Clock::now();
    if (deadline && now >= *deadline) return false;
    core::Time until = now + slice;
    if (deadline) until = std::min(until, *deadline);
    sleep_on(word, seen, until);
    if (Clock::now() >= until) at_slice();
  }
  spin.slept(Clock::now() - began);
  return true;
}

}  // namespace steward::shm
