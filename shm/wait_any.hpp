// Waiting on one of several words in shared memory.
//
// Thread safety: everything may be called by any thread of any process.
//
// Invariants: those of wait.hpp, whose protocol is the caller's: it sets the flag of each word,
// looks once more at everything, and sleeps here on exactly the words that it saw. Beyond them:
//   5. Who was asleep on a word may have had a wake that was meant for one sleeper. If it leaves
//      without having taken what that was about, it passes the wake on (detail::shm::wake(word,
//      1)).
#pragma once

#include <cstdint>
#include <span>

#include <steward/core/clock.hpp>
#include <steward/shm/wait.hpp>

namespace steward::detail::shm {

// A word as it was seen, with its flag set.
struct SeenWord {
  FutexWord* word = nullptr;
  std::uint32_t seen = 0;
  friend bool operator==(const SeenWord&, const SeenWord&) = default;
};

// The word as it is now, with its flag set from here on.
inline SeenWord see(FutexWord& word) {
  return {&word, word.fetch_or(1, std::memory_order_seq_cst) | 1U};
}

enum class Slept { woken, timeout };

// Sleeps while every word is as it was seen, until `until` at the latest; woken for nothing now and
// then. Where the kernel cannot sleep on so many, on the first alone and for a short time, which
// ends as a timeout. REQUIRES: there is one.
Slept sleep_on_any(std::span<const SeenWord> words, core::Time until);

}  // namespace steward::detail::shm
