// Ring: the lock-free queue of blocks that a queue in shared memory is made of.
//
// Publish after write: a producer fills a block that is its own and then publishes it with one
// compare-and-swap on a cell (COMMIT). A consumer takes it with one that stamps its own number into
// the same cell (TAKE). Whatever follows those two can be finished by anybody, so a process may be
// killed or stopped between any two instructions and no other ever waits for it.
//
// Thread safety: all functions may be called at any time, by any thread of any process.
//
// Invariants (docs/shared_memory.md has the argument, model/ the proof):
//   1. Positions are published in order: the walk to the end sees each earlier one as not empty.
//   2. Each change of who has a block, COMMIT and TAKE apart, advances its generation or is
//      CLAIMED/REDELIVER -> INFLIGHT, which happens once: a state word never repeats.
//   3. Header before cell: a TAKEN cell is overwritten only after the block's state says who has it
//      or that it is gone.
//   4. Who concludes "not in the ring" from a cell looks at the block's state again afterwards.
//   5. Hints never run ahead of the truth; stale ones cost steps, nothing else.
//
// The words live in `Memory`, which is the queue's segment or, in tests, a simulation whose every
// step is placed. No word of it is trusted: an impossible one throws Damaged.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>

#include <steward/core/errors.hpp>
#include <steward/shm/queue_words.hpp>

namespace steward::detail::shm {

// The shared memory of a queue says what cannot be.
struct Damaged : core::Failure {
  using core::Failure::Failure;
};

// Waiters by what they wait for.
enum class Event : unsigned {
  not_empty,    // an item
  not_full,     // room for one more
  block_freed,  // memory for one more
  all_done,     // no unfinished item
};
inline constexpr int kEveryone = 0x7fffffff;

enum class Hint : unsigned { tail, head, redelivery_tail, redelivery_head };

// A range of blocks of one size. The first `ready` of `count` have memory behind their headers.
struct BlockRange {
  std::uint32_t first = 0;
  std::uint32_t ready = 0;
  std::uint32_t count = 0;
};

enum class Put { done, full, closed };
enum class Take { done, empty, closed };

// The end of the queue as somebody saw it: where the next item goes.
struct Spot {
  Place place;
  Word seen = 0;  // the word of its cell
};

// A block that its producer fills.
struct Claim {
  std::uint32_t block = 0;
  State state;
};

// A block that was taken and is still named by its cell.
struct Taken {
  unsigned ring = 0;  // the segment, or kRedelivery
  Word at = 0;
  Cell cell;
};

// A block whose consumer answers for it until its lease ends.
struct Held {
  std::uint32_t block = 0;
  State state;
};

template <class Memory>
class Ring {
 public:
  // `me`: the number under which this process takes part. The memory outlives the ring.
  Ring(Memory& memory, unsigned me)
      : memory_(memory),
        me_(me),
        my_tail_(memory.hint(Hint::tail).load(std::memory_order_acquire)),
        my_head_(memory.hint(Hint::head).load(std::memory_order_acquire)),
        my_redelivery_head_(memory.hint(Hint::redelivery_head).load(std::memory_order_acquire)) {}

  // ---- Putting ----

  // Whether there is room, exactly, and where: a look before a block is claimed, so that polling a
  // full queue uses up no generations.
  Put find_room(Spot& spot);
  // Whether that many can be put, as far as can be seen from here.
  bool room(Word items);
  // False: no block of this size is free just now. That says nothing about Full. A spot helps to
  // find one that is at hand.
  bool claim(unsigned size_class, const Spot* spot, Claim& out);
  void unclaim(const Claim& claim);
  // COMMIT, at the spot or, where others were faster, behind them. Wakes nobody. Unless done, the
  // claim is still the caller's.
  Put publish(const Claim& claim, Spot& spot);
  // The claimed block becomes an item that came back, without ever having been published before.
  void put_back(const Claim& claim);
  // Nothing is put any more once it returns. May be called again.
  void close();

  // ---- Taking ----

  // Redelivered blocks first. `empty` and `closed` (and drained) were true at one instant.
  Take take(Taken& out);
  // Whether somebody had the item before. (Not asked by take(): for a batch the headers of its
  // blocks come while its cells are taken.)
  bool redelivered(const Taken& taken) const { return state_of(taken).deliveries() > 0; }
  // The taken block is read and goes back: the item is gone.
  void consume(const Taken& taken);
  // The taken block stays with the caller until `until` (nanoseconds of the steady clock).
  Held hold(const Taken& taken, Word until);
  // Likewise, without end.
  Held hold(const Taken& taken);
  // False, from these three: the lease was over and the item is or was somebody else's.
  bool ack(const Held& held);
  bool nack(const Held& held);
  bool touch(Held& held, Word until);
  // Gives back what is leased beyond its time. Costs one load while no lease can be over.
  void expire(Word now);
  // When expire() will have to look; 0: never.
  Word next_expiry() { return memory_.next_expiry().load(std::memory_order_relaxed); }

  // ---- Looking ----

  // Of the moment, what came back included.
  Word size();
  // What take() would find, but for what changes meanwhile.
  Take look();
  // Whether something is queued behind what was taken here last, and so many more.
  bool more(Word beyond = 0);
  // True: at one instant of the call no item was queued or taken and not consumed, and `also()` was
  // true. False: that may have been so.
  template <class Also>
  bool nothing_unfinished(Also also);
  // Whether the block has an item, and who has that. `read` looks at the item meanwhile: what it
  // saw last was this one.
  enum class Found { nothing, queued, in_hands };
  template <class Read>
  Found look_at(std::uint32_t block, Read read);
  // Blocks from `from` on, until visit(block) says false or `left` of them, counted down, were
  // visited. Where to go on; nullopt: there are no more.
  template <class Visit>
  std::optional<std::uint32_t> each_block(std::uint32_t from, std::uint32_t& left, Visit visit);

  // ---- Recovery ----

  // Takes back what a dead participant held, and wakes everyone. The caller alone may recover
  // `owner`, and holds that right throughout; whoever comes after one that died goes on.
  void recover(unsigned owner);

 private:
  using Atomic = typename Memory::Atomic;

  // Steps of a walk that do not lead over an item. A healthy ring needs few of them, from a hint of
  // long ago as many as twice its length, and that again if the walker is held up for a lap or
  // more.
  class Patience {
   public:
    Patience(Memory& memory, unsigned ring) : memory_(memory), ring_(ring) {}
    // Forwards, if only by one.
    void jump() { spend(1); }
    // On the spot: what was seen cannot be, unless it was seen long ago.
    void retry() { spend(kRetry); }

   private:
    static constexpr Word kLeast = 1U << 20U;
    static constexpr Word kRetry = 64;

    void spend(Word steps) {
      spent_ += steps;
      if (spent_ > kLeast) check();
    }
    void check() {
      // All segments together are not twice as long as the last.
      const unsigned last = std::max(memory_.ready_segments(), 1U) - 1;
      const Word cells = memory_.ready_cells(ring_ == kRedelivery ? ring_ : last);
      if (spent_ > kLeast + 8 * cells) {
        throw Damaged("the queue's shared memory is damaged");
      }
    }

    Memory& memory_;
    const unsigned ring_;
    Word spent_ = 0;
  };

  Word lap_of(unsigned ring, Word at) const { return at >> memory_.cells_log2(ring); }
  Word index_of(unsigned ring, Word at) const { return at & (memory_.cells(ring) - 1); }
  Atomic& cell(unsigned ring, Word at) { return memory_.cell(ring, index_of(ring, at)); }
  // How far the cell is ahead of the position that was looked up.
  std::int64_t ahead(Cell cell, unsigned ring, Word at) const {
    return laps_ahead(cell.lap(), lap_of(ring, at));
  }
  // The first position that a cell of a later lap leaves open.
  Word beyond(unsigned ring, Word at, std::int64_t laps) const {
    return at + (static_cast<Word>(laps) - 1) * memory_.cells(ring) + 1;
  }
  Pos pos_at(State state, unsigned ring, Word at) const {
    return {state.generation(), ring, lap_of(ring, at),
            static_cast<std::uint32_t>(index_of(ring, at))};
  }
  std::uint32_t checked(std::uint32_t block) const {
    if (block >= memory_.blocks()) throw Damaged("the queue's shared memory names no such block");
    return block;
  }
  Place checked(Place place) const {
    if (place.segment >= memory_.segments()) {
      throw Damaged("the queue's shared memory names no such segment");
    }
    return place;
  }

  bool is_end(Word seen, Place place) const {
    const Cell c = Cell::of(seen);
    const std::int64_t laps = ahead(c, place.segment, place.at);
    return (laps == 0 && c.kind() == Kind::empty) || (laps == -1 && c.kind() == Kind::taken);
  }
  // How many positions may be queued. Unbounded: the last free cell of a segment is for the sign
  // to the next.
  Word limit(unsigned segment) const {
    const Word maxsize = memory_.maxsize();
    return maxsize != 0 ? maxsize : memory_.cells(segment) - 1;
  }

  Place start(const Atomic& mine, Hint hint);
  void remember(Atomic& mine, Hint hint, Place place);
  // The segment that an `end` cell leads to; nullopt: it closes the queue.
  std::optional<Place> follow(Cell end) const;

  Put walk_to_room(Spot& spot);
  // Walks on to the first position that is not published. False: the queue is closed.
  bool find_tail(Spot& spot);
  // How many positions before `tail` are queued, walking only while it is not less than `limit`.
  Word queued_before(Place tail, Word limit);
  bool grow(const Spot& spot);

  bool try_claim(std::uint32_t block, Claim& out);
  bool claim_near(BlockRange range, const Spot& spot, Claim& out);
  bool claim_from(BlockRange range, std::uint32_t from, std::uint32_t probes, Claim& out);

  Take take_from(bool redelivery, Taken& out);
  bool unpublished(Cell cell, unsigned ring, Word at) const;

  State state_of(const Taken& taken) const {
    return State::of(memory_.state(taken.cell.block()).load(std::memory_order_acquire));
  }
  void help_state(unsigned ring, Word at, Cell taken);
  void help_release(unsigned ring, Word at, Cell taken);
  bool give_back(std::uint32_t block, State from, unsigned by);
  void redeliver(std::uint32_t block, State state);
  bool published(std::uint32_t block, State state);
  void note_expiry(Word until);
  Word redelivery_tail();
  bool holds_message(std::uint32_t block);
  template <class Visit>
  void each_block(Visit visit);
  void recover_cells(unsigned owner, unsigned ring);
  void recover_block(unsigned owner, std::uint32_t block);

  Memory& memory_;
  const unsigned me_;
  // How far this participant has seen the ring: never ahead of the truth, any thread may store.
  Atomic my_tail_;
  Atomic my_head_;
  Atomic my_redelivery_head_;
  std::atomic<std::uint32_t> cursor_{0};  // where the last search for a block ended
};

}  // namespace steward::detail::shm

#include <steward/shm/ring_put.hpp>
#include <steward/shm/ring_recovery.hpp>
#include <steward/shm/ring_take.hpp>
