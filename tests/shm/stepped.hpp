// Stepping: runs an operation one instruction at a time, in a process that is killed or stopped
// after the n-th of them.
//
// The processor's trap flag raises SIGTRAP after each instruction; a system call counts as one. The
// handler keeps count and ends or stops its own process, so the parent only has to wait for it.
#pragma once

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <new>
#include <span>
#include <string>
#include <vector>

namespace steward::detail::test {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kCanStep = false;  // it delivers signals when it likes
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool kCanStep = false;
#elif defined(__x86_64__)
inline constexpr bool kCanStep = true;
#else
inline constexpr bool kCanStep = false;
#endif
#elif defined(__x86_64__)
inline constexpr bool kCanStep = true;
#else
inline constexpr bool kCanStep = false;
#endif

// Memory that parent and children share and that outlives each of them.
template <class T>
class Outliving {
 public:
  Outliving() {
    void* at = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                      -1, 0);
    if (at == MAP_FAILED) std::abort();
    object_ = ::new (at) T;
  }
  Outliving(const Outliving&) = delete;
  Outliving& operator=(const Outliving&) = delete;
  ~Outliving() { ::munmap(static_cast<void*>(object_), sizeof(T)); }

  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }

 private:
  T* object_;
};

// What was done, for whoever survives: words with a blank after each.
struct Words {
  std::array<char, 8192> text;
  std::atomic<std::size_t> size;

  void add(const std::string& word);
  std::vector<std::string> list() const;
};

struct StepLog {
  static constexpr std::size_t kStepsMax = std::size_t{1} << 18U;

  std::atomic<std::uint64_t> steps;
  std::atomic<bool> stopped;
  // Whether it was cut short where the trace was after so many steps. Reading a clock, say, takes
  // more of them now and then.
  std::atomic<bool> where_traced;
  std::atomic<bool> done;
  Words added;
  Words gone;
  Words failed;
  // Where the process is after so many steps, and whether the last one changed what is watched.
  std::array<std::uint64_t, kStepsMax> trace;

  void clear();
  std::uint64_t address(std::uint64_t step) const { return trace[step] >> 1U; }
  bool changed(std::uint64_t step) const { return (trace[step] & 1U) != 0; }
};

struct StepPlan {
  enum class Then { trace, kill, stop };
  Then then = Then::trace;
  std::uint64_t at = 0;  // after so many instructions; 0: never
  // Until it first comes to this address, after so many instructions, it runs at full speed.
  std::uint64_t from_address = 0;
  std::uint64_t from_step = 0;
};

using Watched = std::vector<std::span<const std::byte>>;

// In the child. `log.done` is set once the operation is over.
void step_through(StepLog& log, const StepPlan& plan, const Watched& watched,
                  const std::function<void()>& operation);

// For each step of an operation that was traced, the plan that steps least.
std::vector<StepPlan> plans(const StepLog& traced, StepPlan::Then then);

}  // namespace steward::detail::test
