// Ledger: where every block and item really is, and what may never happen to them.
//
// It sees each step as it is made and keeps the truth beside the words: nothing of it is read by
// the ring. It objects (Violation) at the step that first breaks a promise.
#pragma once

#include <array>
#include <deque>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <steward/tests/shm/simulation/memory.hpp>

namespace steward::detail::test {

// How often there was something to check: a simulation in which it never happens proves nothing.
struct Counts {
  Word schedules = 0, steps = 0, alone_max = 0;
  Word put = 0, put_back = 0, full = 0, no_block = 0, refused_closed = 0;
  Word taken = 0, taken_again = 0, consumed = 0, empty = 0, drained = 0;
  Word acked = 0, nacked = 0, touched = 0, lost = 0, expired = 0;
  Word helped = 0, closed = 0, grown = 0;
  Word killed = 0, recoveries_killed = 0, stopped = 0;
  Word joined = 0, not_joined = 0;
};

// Something that is true now and then.
class Sometimes {
 public:
  void is(bool now, Word step) {
    if (now_) until_ = step;
    now_ = now;
  }
  // At an instant after the step `begin`.
  bool since(Word begin) const { return now_ || until_ > begin; }

 private:
  bool now_ = false;
  Word until_ = 0;
};

class Ledger : public Observer {
 public:
  enum class Where { free, filling, queued, held, between };
  struct Block {
    Where where = Where::free;
    unsigned owner = 0;     // who fills, holds or redelivers it
    Word item = 0;
    bool in_header = false;  // held, and the header says so
    unsigned ring = 0;      // where it was queued last
    Word at = 0;
    Word generation = 0;
  };
  struct Item {
    bool committed = false;
    bool consumed = false;
    Word takes = 0;
  };

  Ledger(const SimulatedWords& memory, Counts& counts)
      : memory_(memory), counts_(counts), blocks_(memory.blocks()), items_(1) {
    const QueuePlan& plan = memory.plan();
    for (Block& block : blocks_) block.generation = plan.first_generation;
    tail_ = {0, plan.first_lap * plan.cells[0]};
    redelivery_tail_ = plan.first_lap * memory.cells(shm::kRedelivery);
    refresh();
  }

  // ---- What calls ask ----

  Sometimes empty, full, not_full, drained, finished;
  Word now() const { return step_; }
  bool is_closed() const { return closed_; }
  Word now_time() const { return time_; }
  void time_is(Word time) { time_ = time; }
  Word new_item() {
    items_.push_back({});
    return items_.size() - 1;
  }
  const Item& item(Word number) const { return items_[number]; }
  const Block& block(std::uint32_t number) const { return blocks_[number]; }
  Word queued() const { return main_.size() + redelivery_.size(); }
  Word unfinished() const { return unfinished_; }

  // The dead one is recovered: nothing is its any more.
  void recovered(unsigned owner) const {
    for (std::uint32_t b = 0; b < blocks_.size(); ++b) {
      const Where where = blocks_[b].where;
      if (where == Where::free || where == Where::queued || blocks_[b].owner != owner) continue;
      object(fmt::format("block {} is still {}'s after its recovery", b, owner));
    }
  }

  // Nobody is at work: the words must say what is so.
  void at_rest() const;
  void nothing_left() const;

  // ---- What steps do ----

  void touched(const WordName& word, Word from, Word to) override {
    ++step_;
    const unsigned actor = Simulation::scheduler->running()->number;
    trace_.push_back({actor, word, from, to});
    switch (word.role) {
      case Role::payload: return payload(word.index, from, to, actor);
      case Role::pos:
        if (from != to) require_mine(word.index, actor, "its position is written");
        return;
      default: break;
    }
    if (from == to) return;
    switch (word.role) {
      case Role::cell: cell(word, shm::Cell::of(from), shm::Cell::of(to), actor); break;
      case Role::state: state(word.index, shm::State::of(from), shm::State::of(to), actor); break;
      case Role::lease_end:
        if (blocks_[word.index].where != Where::held || blocks_[word.index].owner != actor) {
          object("a lease's end is stored by one who has no lease");
        }
        break;
      case Role::hint: hint(word.index, to); break;
      case Role::ready:
        if (to < from) object("less is ready than was");
        break;
      default: break;
    }
    refresh();
  }

  [[noreturn]] static void object(std::string what) { throw Violation{std::move(what)}; }

  // The last steps, for whoever has to understand what went wrong.
  std::string trace(std::size_t last = 150) const;

 private:
  struct Queued {
    std::uint32_t block;
    shm::Place place;
  };
  struct Step {
    unsigned actor;
    WordName word;
    Word from;
    Word to;
  };

  void refresh() {
    const Word room = memory_.maxsize();
    bool is_full = false;
    if (room != 0) {
      is_full = main_.size() >= room;
    } else if (tail_.segment + 1 == memory_.segments()) {
      // All but one of the last segment's cells, and what is queued before it does not count.
      const bool here = !main_.empty() && main_.front().place.segment == tail_.segment;
      const Word from = here ? main_.front().place.at : main_.empty() ? tail_.at : 0;
      is_full = tail_.at - from >= memory_.cells(tail_.segment) - 1;
    }
    const bool is_empty = queued() == 0;
    bool open = false;
    for (unsigned p = 0; p < memory_.plan().participants; ++p) {
      open = open || memory_.open(p).peek() != 0;
    }
    empty.is(is_empty, step_);
    full.is(is_full, step_);
    not_full.is(!is_full, step_);
    drained.is(is_empty && closed_, step_);
    finished.is(unfinished_ == 0 && !open, step_);
  }

  void require_mine(std::uint32_t b, unsigned actor, const char* what) const {
    const Block& block = blocks_[b];
    const bool mine = block.where == Where::filling || block.where == Where::between ||
                      (block.where == Where::held && block.in_header);
    if (!mine || block.owner != actor) {
      object(fmt::format("{}, block {}, by {} who does not have it", what, b, actor));
    }
  }

  void written(std::uint32_t b) const {
    if (memory_.payload(b, 1).peek() != blocks_[b].item) object("an item is half written");
  }

  void payload(std::uint32_t half, Word from, Word to, unsigned actor) {
    Block& block = blocks_[half / 2];
    if (from != to) {
      if (block.where != Where::filling || block.owner != actor) {
        object("a block is written by one who does not have it");
      }
      if (half % 2 == 0) block.item = to;
      return;
    }
    // Looked at (nothing is ever written twice, so this is no write).
    if (block.where != Where::held || block.owner != actor || from != block.item) {
      object("a block is read by one who does not have it");
    }
  }

  void cell(const WordName& word, shm::Cell from, shm::Cell to, unsigned actor);
  void leaves(const WordName& word, shm::Cell taken);
  void commit(const WordName& word, std::uint32_t block, unsigned actor);
  void take(const WordName& word, shm::Cell taken, unsigned actor);
  void state(std::uint32_t b, shm::State from, shm::State to, unsigned actor);
  void hint(std::uint32_t which, Word to) const;

  const SimulatedWords& memory_;
  Counts& counts_;
  std::vector<Block> blocks_;
  std::vector<Item> items_;
  std::deque<Queued> main_;
  std::deque<Queued> redelivery_;
  shm::Place tail_;
  Word redelivery_tail_ = 0;
  bool closed_ = false;
  Word unfinished_ = 0;
  Word step_ = 0;
  Word time_ = 1;
  std::vector<Step> trace_;
};

// ---- Cells ----

inline void Ledger::cell(const WordName& word, shm::Cell from, shm::Cell to, unsigned actor) {
  using shm::Kind;
  constexpr Word kLaps = Word{1} << shm::Cell::kLapBits;
  const bool next_lap = to.lap() == (from.lap() + 1) % kLaps;
  const bool main = word.ring != shm::kRedelivery;
  if (from.kind() == Kind::full && to.kind() == Kind::taken && to.lap() == from.lap() &&
      to.block() == from.block()) {
    return take(word, to, actor);
  }
  if (from.kind() == Kind::taken && next_lap) {
    leaves(word, from);
    if (to.kind() == Kind::empty && to.owner() == 0 && to.block() == 0) return;
  }
  const bool open = (from.kind() == Kind::empty && to.lap() == from.lap()) ||
                    (from.kind() == Kind::taken && next_lap);
  if (!open || to.owner() != 0) object("a cell changes as none may");
  const Word cells = memory_.cells(word.ring);
  const Word tail = main ? tail_.at : redelivery_tail_;
  if ((main && word.ring != tail_.segment) || tail % cells != word.index ||
      (tail / cells) % kLaps != to.lap()) {
    object("something is written elsewhere than at the end");
  }
  if (main && closed_) object("something is written after closing");
  if (to.kind() == Kind::full) return commit(word, to.block(), actor);
  if (to.kind() != Kind::end || !main) object("a cell changes as none may");
  if (to.block() == 0) {
    closed_ = true;
    ++counts_.closed;
  } else {
    if (to.block() != word.ring + 1 || to.block() >= memory_.segments()) object("grown to nowhere");
    tail_ = {to.block(), 0};
    ++counts_.grown;
  }
}

// A TAKEN cell is overwritten: the header must have been told by now.
inline void Ledger::leaves(const WordName& word, shm::Cell taken) {
  const Block& block = blocks_[taken.block()];
  const Word cells = memory_.cells(word.ring);
  constexpr Word kLaps = Word{1} << shm::Cell::kLapBits;
  if (block.where == Where::held && !block.in_header && block.ring == word.ring &&
      block.at % cells == word.index && (block.at / cells) % kLaps == taken.lap()) {
    object("a cell is reused before the header says who has its block");
  }
}

inline void Ledger::commit(const WordName& word, std::uint32_t b, unsigned actor) {
  Block& block = blocks_[b];
  Item& item = items_[block.item];
  if (word.ring == shm::kRedelivery) {
    if (block.where != Where::between || block.owner != actor) {
      object("a block is redelivered that nobody gave back, or not by who has to");
    }
    if (!item.committed) {
      written(b);
      item.committed = true;
      item.takes = 1;  // it counts as taken, elsewhere
      ++unfinished_;
      ++counts_.put_back;
    }
    block.at = redelivery_tail_++;
    redelivery_.push_back({b, {0, block.at}});
  } else {
    if (block.where != Where::filling || block.owner != actor) {
      object("a block is published by one who does not have it");
    }
    if (item.committed || block.item == 0) object("an item is published twice");
    written(b);
    item.committed = true;
    ++unfinished_;
    ++counts_.put;
    block.at = tail_.at++;
    main_.push_back({b, {tail_.segment, block.at}});
    if (memory_.maxsize() != 0 && main_.size() > memory_.maxsize()) object("more than maxsize");
  }
  block.where = Where::queued;
  block.owner = 0;
  block.ring = word.ring;
  block.in_header = false;
}

inline void Ledger::take(const WordName& word, shm::Cell taken, unsigned actor) {
  auto& queue = word.ring == shm::kRedelivery ? redelivery_ : main_;
  Block& block = blocks_[taken.block()];
  if (taken.owner() != actor) object("taken in another's name");
  if (queue.empty() || queue.front().block != taken.block() || block.where != Where::queued ||
      block.ring != word.ring || block.at % memory_.cells(word.ring) != word.index) {
    object("something else is taken than what is next");
  }
  queue.pop_front();
  Item& item = items_[block.item];
  if (!item.committed || item.consumed) object("an item is taken that is gone");
  const auto state = shm::State::of(memory_.state(taken.block()).peek());
  if (state.deliveries() != item.takes) object("the header miscounts the deliveries");
  if ((item.takes > 0) != (word.ring == shm::kRedelivery)) object("an item is in the wrong ring");
  ++item.takes;
  ++(item.takes > 1 ? counts_.taken_again : counts_.taken);
  block.where = Where::held;
  block.owner = actor;
}

// ---- Headers ----

inline void Ledger::state(std::uint32_t b, shm::State from, shm::State to, unsigned actor) {
  using shm::Holder;
  Block& block = blocks_[b];
  constexpr Word kGenerations = Word{1} << 40U;
  const bool same = to.generation() == from.generation();
  if (!same) {
    ++block.generation;
    if (to.generation() != block.generation % kGenerations) object("a generation is skipped");
  }
  const bool held = block.where == Where::held;
  const bool held_by_header = held && block.in_header;
  const auto change = [&](Holder a, Holder z) { return from.holder() == a && to.holder() == z; };

  if (change(Holder::free, Holder::claimed) && same) {
    if (block.where != Where::free || to.owner() != actor) object("a block in use is claimed");
    block = {Where::filling, actor, 0, false, 0, 0, block.generation};
  } else if (to.holder() == Holder::free && !same && to.owner() == 0 && to.deliveries() == 0) {
    if (block.owner != actor) object("a block is freed by one who does not have it");
    if (held) {
      Item& item = items_[block.item];
      if (item.consumed) object("an item is consumed twice");
      item.consumed = true;
      --unfinished_;
      ++counts_.consumed;
    } else if (block.where != Where::filling) {
      object("a block is freed that is in use");
    }
    block = {Where::free, 0, 0, false, 0, 0, block.generation};
  } else if ((change(Holder::claimed, Holder::inflight) ||
              change(Holder::redeliver, Holder::inflight)) && same) {
    // Either what was taken, or what is put back without ever having been published.
    const bool own = block.where == Where::filling && block.owner == actor;
    if ((!held && !own) || block.in_header || block.owner != to.owner() ||
        to.deliveries() != from.deliveries()) {
      object("a header is told of a holder who is not");
    }
    block.where = Where::held;
    block.in_header = true;
    if (to.owner() != actor) ++counts_.helped;
  } else if (change(Holder::inflight, Holder::lease) && same) {
    if (!held_by_header || block.owner != actor || to.owner() != actor) object("no one's lease");
  } else if ((change(Holder::lease, Holder::inflight) ||
              change(Holder::inflight, Holder::inflight)) && !same) {
    if (!held_by_header || block.owner != actor || to.owner() != actor) object("no one's lease");
    ++counts_.touched;
  } else if ((change(Holder::lease, Holder::redeliver) ||
              change(Holder::inflight, Holder::redeliver)) && !same) {
    if (!held_by_header) object("a block is given back that nobody has");
    const bool over = from.holder() == Holder::lease && memory_.lease_end(b).peek() <= time_;
    if (block.owner != actor && !over) object("a block is taken from one who has it");
    if (to.owner() != actor || to.deliveries() != from.deliveries() + 1) {
      object("wrongly given back");
    }
    if (block.owner != actor) ++counts_.expired;
    block.where = Where::between;
    block.owner = actor;
  } else {
    object("a header changes as none may");
  }
}

inline void Ledger::hint(std::uint32_t which, Word to) const {
  const auto truth = [&]() -> Word {
    switch (static_cast<shm::Hint>(which)) {
      case shm::Hint::tail: return tail_.word();
      case shm::Hint::head: return main_.empty() ? tail_.word() : main_.front().place.word();
      case shm::Hint::redelivery_tail: return redelivery_tail_;
      case shm::Hint::redelivery_head: break;
    }
    return redelivery_.empty() ? redelivery_tail_ : redelivery_.front().place.at;
  };
  if (to > truth()) object("a hint runs ahead of the truth");
}

// ---- The whole ----

inline void Ledger::at_rest() const {
  using shm::Holder;
  std::vector<unsigned> cells(blocks_.size());
  const auto look = [&](unsigned ring) {
    for (Word i = 0; i < memory_.cells(ring); ++i) {
      const auto c = shm::Cell::of(memory_.cell(ring, i).peek());
      if (c.kind() == shm::Kind::full) ++cells[c.block()];
    }
  };
  for (unsigned s = 0; s < memory_.segments(); ++s) look(s);
  look(shm::kRedelivery);
  for (std::uint32_t b = 0; b < blocks_.size(); ++b) {
    const auto holder = shm::State::of(memory_.state(b).peek()).holder();
    switch (blocks_[b].where) {
      case Where::free:
        if (holder != Holder::free || cells[b] != 0) object("a free block is not free");
        break;
      case Where::queued:
        if (cells[b] != 1) object("a queued block is not in one cell");
        if (holder != Holder::claimed && holder != Holder::redeliver) {
          object("the header of a queued block says something else");
        }
        break;
      default: object(fmt::format("block {} is lost", b));
    }
  }
}

inline void Ledger::nothing_left() const {
  for (Word i = 1; i < items_.size(); ++i) {
    if (items_[i].committed != items_[i].consumed) object(fmt::format("item {} is lost", i));
  }
  for (const Block& block : blocks_) {
    if (block.where != Where::free) object("a block is not free in the end");
  }
}

inline std::string Ledger::trace(std::size_t last) const {
  constexpr std::array kRoles{"own", "cell", "state", "pos", "lease", "bytes",
                              "hint", "expiry", "ready", "open"};
  constexpr std::array kKinds{"empty", "full", "taken", "end"};
  constexpr std::array kHolders{"free", "claimed", "inflight", "lease", "redeliver"};
  const auto say = [&](const WordName& word, Word value) {
    if (word.role == Role::cell) {
      const auto c = shm::Cell::of(value);
      return fmt::format("{}(lap {}, by {}, block {})", kKinds[static_cast<unsigned>(c.kind())],
                         c.lap(), c.owner(), c.block());
    }
    if (word.role == Role::state) {
      const auto s = shm::State::of(value);
      return fmt::format("{}(generation {}, by {}, deliveries {})",
                         kHolders[static_cast<unsigned>(s.holder()) % 5], s.generation(), s.owner(),
                         s.deliveries());
    }
    if (word.role == Role::pos && value != shm::Pos::kNone) {
      const auto p = shm::Pos::of(value);
      return fmt::format("(generation {}, ring {}, lap {}, index {})", p.generation, p.ring,
                         p.lap, p.index);
    }
    return fmt::format("{}", value);
  };
  std::string out;
  for (std::size_t i = trace_.size() > last ? trace_.size() - last : 0; i < trace_.size(); ++i) {
    const Step& s = trace_[i];
    out += fmt::format("  {:>5} {:>4}: {}[{}.{}] {}", i, s.actor,
                       kRoles[static_cast<unsigned>(s.word.role)], s.word.ring, s.word.index,
                       say(s.word, s.from));
    if (s.from != s.to) out += " -> " + say(s.word, s.to);
    out += '\n';
  }
  return out;
}

}  // namespace steward::detail::test
