// RingWatch: the thread that sleeps in the server's place until a ring changes that some call waits
// for. It touches nothing of a ring but the words that processes sleep on.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <steward/core/clock.hpp>
#include <steward/shm/unique_fd.hpp>
#include <steward/shm/wait.hpp>
#include <steward/shm/wait_any.hpp>

namespace steward::detail::server {

// The waiting protocol is that of shm/wait.hpp, with its parts in two threads: the loop's thread
// sets the flag of a word and looks at the ring once more, this one sleeps on exactly the word that
// was seen then, and the loop looks again whenever fd() is readable. A wake that came although the
// loop has lost interest meanwhile is passed on to somebody else.
//
// Thread safety: one thread uses it, and owns it. The thread starts with the first words to watch.
class RingWatch {
 public:
  struct Word {
    std::shared_ptr<const void> memory;  // keeps the word there
    shm::FutexWord* word = nullptr;
    std::uint32_t seen = 0;
    friend bool operator==(const Word&, const Word&) = default;
  };
  // Without an end: the loop looks itself. The longest slice.
  static constexpr core::Duration kLong = std::chrono::hours(1);
  // Why fd() was readable.
  struct News {
    bool any = false;
    bool slice = false;  // so long it has slept in vain: who died meanwhile has told nobody
  };

  // Throws SystemError.
  RingWatch();
  RingWatch(const RingWatch&) = delete;
  RingWatch& operator=(const RingWatch&) = delete;
  ~RingWatch();

  // Readable once something may have changed.
  int fd() const { return event_.get(); }
  // Makes fd() unreadable again: look at every ring that is waited for, then call watch().
  News take_news();
  // All words to watch from now on, each as it was before the last look at its ring. Throws
  // SystemError if there is no thread for that: then nobody watches.
  void watch(std::vector<Word> words, core::Duration slice);

 private:
  // What is to be watched. Shared: neither thread waits for the other to be done with it.
  struct Turn {
    std::vector<Word> words;
    core::Duration slice{};
    std::vector<shm::SeenWord> seen;  // the thread's: kick_ and the words, as they are slept on
  };

  void run();
  void tell(bool slice);

  const shm::UniqueFd event_;
  std::atomic<bool> slice_passed_{false};
  shm::FutexWord kick_{0};  // the thread sleeps on this one, too

  std::mutex mutex_;
  std::shared_ptr<Turn> turn_ = std::make_shared<Turn>();
  bool idle_ = false;  // the thread has told what it knows, and waits for the next turn
  bool end_ = false;
  std::thread thread_;
};

}  // namespace steward::detail::server
