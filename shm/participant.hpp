// Participant: the number under which a process takes part in a queue. Also finds the participants
// that have died, and recovers what they held.
#pragma once

#include <cstdint>
#include <mutex>

#include <steward/shm/home_fd.hpp>
#include <steward/shm/queue_memory.hpp>
#include <steward/shm/ring.hpp>

namespace steward::detail::shm {

// A number is a byte of the segment, locked through an open file description that this object alone
// has: the kernel lets go of it when the process is gone, in whatever way, and not before. Whoever
// gets the lock of a number whose record is dirty is the only one that recovers it. No clock
// decides that anybody is dead.
//
// Thread safety: all functions from any thread. A child of a plain fork() does not keep the number:
// there the object stands for nobody, and must not be used.
// Limit: a program that closes descriptors which it did not open lets go of its number.
class Participant {
 public:
  // The number of the queue's maker, and of nobody after it: by that its end is known.
  static constexpr unsigned kMaker = 1;

  // Takes the first free number from `first` on. If a dead process had it, recovers that one first.
  // Throws NoMemory if there is none or the lock cannot be had, as where /proc is not mounted.
  explicit Participant(QueueMemory& memory, unsigned first = kMaker);
  Participant(const Participant&) = delete;
  Participant& operator=(const Participant&) = delete;
  // What it still holds goes back to the queue.
  ~Participant();

  unsigned number() const { return number_; }

  // Takes back what dead participants held. Costs a system call for each of the others.
  void recover_dead();

  // After recover_dead(): whether the process that made the queue has ended: then no other process
  // can join.
  bool maker_is_gone() const;
  // Whether, beyond that, no other process takes part.
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
  // The file lock does not exclude the threads of this process, which share one open file
  // description: this mutex does.
  std::mutex recovering_;
};

}  // namespace steward::detail::shm
