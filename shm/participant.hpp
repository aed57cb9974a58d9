// Participant: under which number a process takes part in a queue, and whether the others live.
#pragma once

#include <cstdint>
#include <mutex>

#include <steward/shm/home_fd.hpp>
#include <steward/shm/queue_memory.hpp>
#include <steward/shm/ring.hpp>

namespace steward::detail::shm {

// A number is a byte of the segment, locked through an open file description that this object alone
// has: the kernel lets go of it when the process is gone, in whatever way, and not before. To have
// the lock of a number whose record is dirty is to be its only recoverer. No clock decides that
// anybody is dead.
//
// Thread safety: all functions from any thread. A child of a plain fork() does not keep the number:
// there the object stands for nobody, and must not be used.
// Limit: a program that closes descriptors which it did not open lets go of its number.
class Participant {
 public:
  // The number of the queue's maker, and of nobody after it: by that its end is known.
  static constexpr unsigned kMaker = 1;

  // Takes the first free number from `first` on, after recovery of who had it if need be. Throws
  // NoMemory if there is none or the lock cannot be had, as where /proc is not mounted.
  explicit Participant(QueueMemory& memory, unsigned first = kMaker);
  Participant(const Participant&) = delete;
  Participant& operator=(const Participant&) = delete;
  // What it still holds goes back to the queue.
  ~Participant();

  unsigned number() const { return number_; }

  // Takes back what dead participants held. Costs a system call for each of the others.
  void recover_dead();

  // After recover_dead(): whether the queue's maker is gone, so that nobody new can come.
  bool maker_is_gone() const;
  // Likewise, and nobody else takes part either.
  bool left_alone() const;

  // Lets go of the number without a word, as a death does.
  void abandon();

 private:
  bool try_lock(unsigned number) const;
  void unlock(unsigned number) const;
  void take_number(unsigned first);
  void recover(unsigned number);

  QueueMemory& memory_;
  HomeFd locks_;
  unsigned number_ = 0;
  // The lock of a number does not exclude the threads of one description.
  std::mutex recovering_;
};

}  // namespace steward::detail::shm
