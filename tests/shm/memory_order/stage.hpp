// What the threads of a play do with a queue, and what must be true of it whatever they see.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include <steward/shm/ring.hpp>
#include <steward/tests/shm/memory_order/memory.hpp>

namespace steward::detail::test {

// Keeps the books in the very step in which something happens: it knows the newest values, and the
// modification order of each word is that of the steps.
class Ledger : public Director {
 public:
  using Item = Word;  // not 0
  static constexpr std::size_t kItems = 16;

  explicit Ledger(const QueuePlan& plan) : memory_(plan) {}

  void filling(std::uint32_t block, Item item) { blocks_[block].item = item; }
  Item item_in(std::uint32_t block) const { return blocks_[block].item; }
  bool committed(Item item) const { return items_[item].committed; }
  bool done(Item item) const { return items_[item].done; }
  // What an answer of "empty" has to be judged by.
  bool was_empty_since(Word time) const { return queued_ == 0 || empty_until_ > time; }
  bool is_closed() const { return closed_; }
  Word time() const { return time_; }

 protected:
  ModelledMemory memory_;

 private:
  enum class Where { free, filling, queued, taken };
  struct Block {
    Where where = Where::free;
    Item item = 0;
  };
  struct Told {
    bool committed = false;
    bool done = false;
    unsigned number = 0;  // in the order of commits
  };

  void changed(const WordName& word, Word from, Word to) override {
    if (word.role == Role::cell) cell(word, shm::Cell::of(from), shm::Cell::of(to));
    if (word.role == Role::state) state(word.index, shm::State::of(from), shm::State::of(to));
  }

  void cell(const WordName& word, shm::Cell from, shm::Cell to) {
    ++time_;
    const bool back = word.ring == shm::kRedelivery;
    if (from.kind() == shm::Kind::taken) header_before_cell(word, from);
    if (to.kind() == shm::Kind::full) queue(back, blocks_[to.block()]);
    if (to.kind() == shm::Kind::taken) unqueue(back, blocks_[from.block()]);
    if (to.kind() == shm::Kind::end && to.block() == 0) closed_ = true;
  }
  void queue(bool back, Block& block) {
    RL_ASSERT(block.where == (back ? Where::taken : Where::filling));
    block.where = Where::queued;
    if (queued_++ == 0) empty_until_ = time_;
    if (back) return;
    RL_ASSERT(!closed_);
    Told& item = items_[block.item];
    RL_ASSERT(!item.committed);
    item.committed = true;
    item.number = ++commits_;
    ++in_main_;
    RL_ASSERT(memory_.maxsize() == 0 || in_main_ <= memory_.maxsize());
  }
  void unqueue(bool back, Block& block) {
    RL_ASSERT(block.where == Where::queued);
    block.where = Where::taken;
    --queued_;
    if (back) return;
    --in_main_;
    RL_ASSERT(items_[block.item].number == ++takes_);
  }
  // Whoever overwrites a cell that says who took it has seen to it that the block says so, too.
  void header_before_cell(const WordName& word, shm::Cell taken) {
    const auto state = shm::State::of(memory_.state(taken.block()).peek());
    if (state.holder() != shm::Holder::claimed && state.holder() != shm::Holder::redeliver) return;
    const shm::Pos here{state.generation(), word.ring, taken.lap(), word.index};
    RL_ASSERT(memory_.pos(taken.block()).peek() != here.word());
  }
  void state(std::uint32_t at, shm::State from, shm::State to) {
    Block& block = blocks_[at];
    if (from.holder() == shm::Holder::free) {
      RL_ASSERT(block.where == Where::free && to.holder() == shm::Holder::claimed);
      block = {Where::filling, 0};
    } else if (to.holder() == shm::Holder::free) {
      RL_ASSERT(block.where == Where::filling || block.where == Where::taken);
      if (block.where == Where::taken) {
        RL_ASSERT(!items_[block.item].done);
        items_[block.item].done = true;
      }
      block = {};
    } else if (to.holder() == shm::Holder::inflight && block.where == Where::filling) {
      // Put back without ever having been published.
      block.where = Where::taken;
      items_[block.item].committed = true;
    }
  }

  std::array<Block, ModelledMemory::kMost> blocks_{};
  std::array<Told, kItems> items_{};
  unsigned commits_ = 0;
  unsigned takes_ = 0;
  Word in_main_ = 0;
  Word queued_ = 0;
  Word time_ = 0;
  Word empty_until_ = 0;
  bool closed_ = false;
};

// `Play` says what each of its threads does, in act(thread).
template <class Play, unsigned kThreads = 3>
class Stage : public rl::test_suite<Play, kThreads>, public Ledger {
 public:
  using Ring = shm::Ring<ModelledMemory>;

  explicit Stage(const QueuePlan& plan)
      : Ledger(plan), rings_{Ring(memory_, 1), Ring(memory_, 2), Ring(memory_, 3)} {}

  void thread(unsigned me) {
    bool damaged = false;
    try {
      static_cast<Play*>(this)->act(me);
    } catch (const Killed&) {
    } catch (const shm::Damaged&) {
      damaged = true;
    }
    RL_ASSERT(!damaged);
  }

  // All that was put and is not done is still there, once, and no block is lost.
  void after() {
    let_live();
    Ring last(memory_, 4);
    static_cast<Play*>(this)->settle(last);
    while (get(last)) {
    }
    for (Item item = 1; item < kItems; ++item) RL_ASSERT(committed(item) == done(item));
    for (std::uint32_t b = 0; b < memory_.blocks(); ++b) {
      const auto state = shm::State::of(memory_.state(b).peek());
      RL_ASSERT(state.holder() == shm::Holder::free);
    }
  }
  void settle(Ring&) {}

 protected:
  Ring& ring(unsigned thread) { return rings_[thread]; }

  shm::Put put(Ring& ring, Item item) {
    shm::Spot spot;
    if (const auto room = ring.find_room(spot); room != shm::Put::done) return room;
    shm::Claim claim;
    if (!ring.claim(0, &spot, claim)) return shm::Put::full;
    fill(claim, item);
    const auto put = ring.publish(claim, spot);
    if (put != shm::Put::done) ring.unclaim(claim);
    return put;
  }
  bool put_back(Ring& ring, Item item) {
    shm::Claim claim;
    if (!ring.claim(0, nullptr, claim)) return false;
    fill(claim, item);
    ring.put_back(claim);
    return true;
  }
  std::optional<shm::Taken> take(Ring& ring) {
    const Word began = time();
    shm::Taken taken;
    const auto answer = ring.take(taken);
    if (answer != shm::Take::done) {
      RL_ASSERT(was_empty_since(began));
      RL_ASSERT(answer != shm::Take::closed || is_closed());
      return std::nullopt;
    }
    read(taken.cell.block());
    RL_ASSERT(ring.redelivered(taken) == (taken.ring == shm::kRedelivery));
    return taken;
  }
  bool get(Ring& ring) {
    const auto taken = take(ring);
    if (taken) ring.consume(*taken);
    return taken.has_value();
  }
  // The item is for the holder alone until it answers.
  std::optional<shm::Held> hold(Ring& ring) {
    const auto taken = take(ring);
    if (!taken) return std::nullopt;
    const auto held = ring.hold(*taken);
    read(held.block);
    return held;
  }
  bool keep(Ring& ring) {
    const auto held = hold(ring);
    if (held) RL_ASSERT(ring.ack(*held));
    return held.has_value();
  }
  bool refuse(Ring& ring) {
    const auto held = hold(ring);
    if (held) RL_ASSERT(ring.nack(*held));
    return held.has_value();
  }
  // What the block holds, as its holder sees it.
  Item read(std::uint32_t block) {
    const Item item = memory_.bytes(block)(RL_INFO);
    RL_ASSERT(item == item_in(block));
    return item;
  }

 private:
  void fill(const shm::Claim& claim, Item item) {
    filling(claim.block, item);
    memory_.bytes(claim.block)(RL_INFO) = item;
  }

  std::array<Ring, 3> rings_;
};

}  // namespace steward::detail::test
