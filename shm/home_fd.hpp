// HomeFd: a descriptor that belongs to one process, and that no copy of it by fork() has.
#pragma once

#include <atomic>
#include <functional>

namespace steward::detail::shm {

// An open file whose locks, or whose end, are to go with this process: a child of a plain fork()
// closes it before it does anything else, and the object stands for nothing there. What the child
// executes does not have it either, if it was opened close-on-exec.
//
// Thread safety: get() from any thread; the rest needs the object for itself. Ownership: the
// descriptor. Neither copied nor moved.
class HomeFd {
 public:
  HomeFd() = default;  // stands for no file
  HomeFd(const HomeFd&) = delete;
  HomeFd& operator=(const HomeFd&) = delete;
  ~HomeFd();

  // Takes what `open` opens; negative: nothing, and errno is as that left it. No process is forked
  // meanwhile. REQUIRES: it stands for no file
  void open(const std::function<int()>& open);
  // -1 if it stands for no file, in a forked child for one.
  int get() const noexcept { return fd_.load(std::memory_order_relaxed); }
  explicit operator bool() const noexcept { return get() >= 0; }
  void close() noexcept;

  // From here on forks are seen to. Whoever has fork handlers of its own, and locks that are held
  // where such a file is opened or closed, calls it before it registers them: handlers that take
  // locks run in the reverse of this order.
  static void watch_forks();

 private:
  struct All;
  static All& all();

  std::atomic<int> fd_{-1};
  // Of a list, while it stands for a file: nothing of this needs memory.
  HomeFd* next_ = nullptr;
  HomeFd* previous_ = nullptr;
};

}  // namespace steward::detail::shm
