// SharedQueue: a queue of byte strings between processes of one host, in shared memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <sys/types.h>

#include <steward/core/clock.hpp>
#include <steward/shm/item.hpp>
#include <steward/shm/participant.hpp>
#include <steward/shm/queue_memory.hpp>
#include <steward/shm/ring.hpp>
#include <steward/shm/until.hpp>
#include <steward/shm/wait.hpp>

namespace steward::detail::shm {

// One process's part in the queue: any number of producers and consumers, first in first out by
// the order in which items were committed. What came back is served first.
//
// put is durable against the death of any participant once it returns; get removes an item for
// good once its reader has returned. Whoever dies in between leaves the item in the queue, flagged.
// Nobody ever waits for a process that was stopped or killed.
//
// Thread safety: all functions from any thread. Ownership: the mapping and a number among the
// participants; both end with it, and what it still held goes back. A child of a plain
// fork() has neither, and can only leak it.
class SharedQueue {
 public:
  enum class Outcome {
    done,
    timeout,  // the deadline came first, and nothing has changed
    stopped,  // likewise: the waiter was to stop (see Until), before the call or while it waited
    closed,   // for takers: and there is nothing left
    ended,    // its manager has shut down; or was killed, and nobody else takes part
    no_block,  // for puts: there is room in the order, but no block for the bytes, or no memory
               // behind it. Nothing has changed; the manager may keep the item and put a stub
  };
  // A deadline that is past: for operations that do not wait.
  static constexpr core::Time kNow = core::Time::min();

  // Throws NoMemory, Damaged and BadCall as QueueMemory and Participant do.
  static std::unique_ptr<SharedQueue> create(const QueueShape& shape);
  static std::unique_ptr<SharedQueue> open(UniqueFd fd);

  // To be passed to another process, which opens it.
  int fd() const { return memory_.segment().fd(); }
  const QueueShape& shape() const { return memory_.layout().shape; }

  // What put() does when no block is free. wait: waits for one (an unbounded queue throws
  // Overloaded), and throws NoMemory if the system has no memory for it. tell: returns
  // Outcome::no_block in both cases.
  enum class NoBlock { wait, tell };

  // ---- Putting. Overloaded: the item is larger than the queue takes, or (unbounded queues) there
  // is no more room at all. Nothing was put then. ----

  Outcome put(std::span<const std::byte> bytes, std::uint32_t format, Until until,
              NoBlock without = NoBlock::wait);
  // All of them in this order; `done` says how many made it, whatever the outcome.
  Outcome put_many(std::span<const std::span<const std::byte>> items, std::uint32_t format,
                   Until until, std::size_t& done, NoBlock without = NoBlock::wait);
  void close();

  // Memory of the queue to write an item into, aligned to at most 64 bytes; waits for nothing. It
  // is put by commit(), which waits for room, or given back by give_back().
  struct Loan {
    Claim claim;
    std::span<std::byte> bytes;
  };
  Outcome loan(std::size_t bytes, std::size_t alignment, Loan& out);
  Outcome commit(const Loan& loan, std::uint32_t format, Until until);
  void give_back(const Loan& loan) { ring_.unclaim(loan.claim); }

  // ---- Taking. `read(Item)` is shown the item and returns whether the item is thereby taken for
  // good. If it returns false, the item stays reserved, without a time limit, as by reserve(). If
  // it throws, the item goes back, flagged; in a child that the reader has forked nothing is done.

  template <class Read>
  Outcome get(Read&& read, Until until, Held& kept) {
    Taken taken;
    const Outcome outcome = wait_and_take(taken, until);
    if (outcome == Outcome::done) show(taken, read) ? finish(taken) : keep(taken, kept);
    return outcome;
  }
  // Waits for the first, then takes what is there, at most `max`. `kept` gets those for which read
  // said false, in their order.
  template <class Read>
  Outcome get_many(std::size_t max, Read&& read, Until until,
                   std::vector<Held>& kept) {
    if (max == 0) return Outcome::done;
    std::vector<Taken> taken(1);
    let_gather(until);
    const Outcome outcome = wait_and_take(taken[0], until);
    if (outcome != Outcome::done) return outcome;
    std::vector<char> done;  // char, since std::vector<bool> packs its elements
    try {
      take_more(taken, max);
      done.resize(taken.size());
      kept.reserve(kept.size() + taken.size());
      for (std::size_t i = 0; i < taken.size(); ++i) done[i] = read(item(taken[i])) ? 1 : 0;
    } catch (...) {
      for (const Taken& one : taken) give_up(one);
      throw;
    }
    finish(taken, done, kept);
    return outcome;
  }
  // For the caller alone until it is given back, or until `lease_end()`, a core::Deadline that is
  // asked for once it is taken; nullopt: without end.
  template <class LeaseEnd, class Read>
  Outcome reserve(LeaseEnd&& lease_end, Read&& read, Until until, Held& out) {
    Taken taken;
    const Outcome outcome = wait_and_take(taken, until);
    if (outcome == Outcome::done) {
      static_cast<void>(show(taken, read));
      out = hold(taken, lease_end());
    }
    return outcome;
  }
  // False: its time was up, and the item is or was somebody else's.
  bool ack(const Held& held);
  bool nack(const Held& held) { return ring_.nack(held); }
  // As ack(), but the item counts as one that was got: it is still to be reported by task_done().
  bool consume(const Held& held);
  bool touch(Held& held, core::Time until);
  // Of an item that is reserved without end.
  Item item(const Held& held) const;

  // ---- Looking: of the moment ----

  std::size_t size() { return ring_.size(); }
  bool full();

  // One item that was got has been dealt with. False: there is none left to report.
  bool task_done();
  // Waits until every item ever put was taken for good and reported. What a dead process had taken
  // counts as reported.
  Outcome join(Until until);

  // ---- The manager's ----

  // Puts an item that somebody had taken before: it is served before all others, and flagged. Does
  // not respect maxsize.
  Outcome put_back(std::span<const std::byte> bytes, std::uint32_t format);
  // So many items more that were taken elsewhere and are to be reported by task_done().
  void add_tasks(std::uint64_t count);
  // Who waits here or comes later gets Outcome::ended.
  void end();
  // Shows the items of this format and of exactly one word that are queued or in somebody's hands,
  // in no order: visit(bytes, in_hands), until it says false. Walks over `left` blocks at most,
  // counted down, from `from` on (first: 0), and says where to go on; nullopt: that was all. An
  // item that stays from the first of these calls to the last is shown. Passes over damaged blocks.
  using OneWord = std::array<std::byte, sizeof(Word)>;
  template <class Visit>
  std::optional<std::uint32_t> look_for(std::uint32_t format, std::uint32_t from,
                                        std::uint32_t& left, Visit&& visit) {
    return ring_.each_block(from, left, [&](std::uint32_t block) {
      OneWord bytes;
      bool shown = false;
      const auto found = ring_.look_at(block, [&] { shown = memory_.peek(block, format, bytes); });
      if (!shown || found == Ring<QueueMemory>::Found::nothing) return true;
      return visit(bytes, found == Ring<QueueMemory>::Found::in_hands);
    });
  }
  // Takes back what dead participants held; waiters do so by themselves, a little later.
  void recover_dead() { participant_.recover_dead(); }

  // ---- For a taker of a stub: whether the manager is gone, and with it the items that it kept
  // ----

  bool manager_is_gone() {
    participant_.recover_dead();
    return participant_.maker_is_gone();
  }

  // ---- For who waits for several queues, or for more than queues ----

  FutexWord& event(Event event) { return memory_.event(event); }
  // Whether a get() would not wait: there is an item, or the queue is closed and drained, or has
  // ended.
  bool ready();
  // slice(): how long a waiter may sleep at a time; look_around(): what it must do then. Nobody is
  // woken when a participant dies or a reservation runs out.
  core::Duration slice();
  void look_around();

  // ---- As a death, in which nobody gives anything back; then it may only be leaked ----

  void abandon() { participant_.abandon(); }

 private:
  enum class Tried { done, full, no_block, closed, ended };

  SharedQueue(QueueMemory memory, unsigned first_number);

  static Tried failed(Put put);
  static Outcome not_done(Waited waited);
  bool claim_block(unsigned size_class, std::size_t bytes, const Spot* spot, Loan& out);
  template <class Fill>
  Tried try_put(unsigned size_class, std::size_t bytes, std::uint32_t format, Fill&& fill);
  template <class Try>
  Outcome wait_to_put(Try&& attempt, Until until, std::size_t bytes, NoBlock without);
  unsigned class_for(std::size_t bytes, std::size_t alignment) const;
  bool ended() const { return memory_.ended().load(std::memory_order_relaxed) != 0; }

  Outcome try_take(Taken& out);
  Outcome wait_and_take(Taken& out, Until until);
  void let_gather(Until until);
  void take_more(std::vector<Taken>& taken, std::size_t max);
  Item item(const Taken& taken) const;
  Held hold(const Taken& taken, core::Deadline until);
  void give_up(const Taken& taken);
  void keep(const Taken& taken, Held& kept) { kept = hold(taken, std::nullopt); }
  void finish(const Taken& taken);
  void finish(const std::vector<Taken>& taken, const std::vector<char>& done,
              std::vector<Held>& kept);
  void free_block(const Taken& taken);

  template <class Read>
  bool show(const Taken& taken, Read& read) {
    try {
      return read(item(taken));
    } catch (...) {
      give_up(taken);
      throw;
    }
  }

  QueueMemory memory_;
  Participant participant_;
  Ring<QueueMemory> ring_;
  Spin put_spin_;
  Spin get_spin_;
  Gather put_gather_;
  Gather get_gather_;
  std::atomic<bool> caught_up_{false};  // the last get_many() took all there was
  const pid_t process_;                 // whose the memory is
};

}  // namespace steward::detail::shm
