// SimulatedMemory: the words of a queue for Ring, each access to which is one step of a scheduler.
//
// All orders are sequentially consistent here. What is stored is told to an observer in the same
// step; loads change nothing.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include <steward/shm/queue_words.hpp>
#include <steward/shm/ring.hpp>
#include <steward/tests/shm/simulation/scheduler.hpp>

namespace steward::detail::test {

using shm::Word;

// What a word is. `own`: a hint that the ring of one process keeps for itself.
enum class Role : std::uint8_t {
  own, cell, state, pos, lease_end, payload, hint, expiry, ready, open
};

struct WordName {
  Role role = Role::own;
  unsigned ring = 0;        // of a cell
  std::uint32_t index = 0;  // of the cell, the block, the hint, the participant
};

class Observer {
 public:
  virtual ~Observer() = default;
  // The step that is being made by the running task; `to` is `from` if it only looked.
  virtual void touched(const WordName& word, Word from, Word to) = 0;
};

// One at a time: a simulation is its thread's.
struct Simulation {
  static inline thread_local Scheduler* scheduler = nullptr;
  static inline thread_local Observer* observer = nullptr;
};

class SimulatedWord {
 public:
  SimulatedWord(Word value) : value_(value) {}
  SimulatedWord(const SimulatedWord&) = delete;
  SimulatedWord& operator=(const SimulatedWord&) = delete;

  void begin_as(const WordName& name, Word value) {
    name_ = name;
    value_ = value;
  }
  // What is there, without a step.
  Word peek() const { return value_; }

  Word load(std::memory_order = std::memory_order_seq_cst) const {
    if (step()) tell(value_, value_);
    return value_;
  }
  void store(Word to, std::memory_order = std::memory_order_seq_cst) {
    const bool tells = step();
    const Word from = std::exchange(value_, to);
    if (tells) tell(from, to);
  }
  bool compare_exchange_strong(Word& expected, Word to,
                               std::memory_order = std::memory_order_seq_cst,
                               std::memory_order = std::memory_order_seq_cst) {
    const bool tells = step();
    if (value_ != expected) {
      expected = value_;
      if (tells) tell(value_, value_);
      return false;
    }
    const Word from = std::exchange(value_, to);
    if (tells) tell(from, to);
    return true;
  }
  Word fetch_add(Word more, std::memory_order = std::memory_order_seq_cst) {
    const bool tells = step();
    const Word from = value_;
    value_ += more;
    if (tells) tell(from, value_);
    return from;
  }

 private:
  // Private words are shared all the same where a process has several threads.
  bool step() const {
    Scheduler* scheduler = Simulation::scheduler;
    if (scheduler == nullptr || scheduler->running() == nullptr) return false;
    if (name_.role == Role::own && scheduler->threads_of(scheduler->running()->process) < 2) {
      return false;
    }
    scheduler->step();
    return true;
  }
  void tell(Word from, Word to) const { Simulation::observer->touched(name_, from, to); }

  WordName name_;
  Word value_;
};

struct QueuePlan {
  Word maxsize = 1;               // 0: unbounded
  std::vector<Word> cells{2};     // of each segment
  std::uint32_t blocks = 3;
  std::uint32_t ready_blocks = 3;  // the others become real when they are needed
  unsigned participants = 8;
  Word first_lap = 0;
  Word first_generation = 0;
};

class SimulatedWords {
 public:
  using Atomic = SimulatedWord;

  explicit SimulatedWords(const QueuePlan& plan) : plan_(plan), redelivery_cells_(1) {
    while (redelivery_cells_ < plan.blocks) redelivery_cells_ *= 2;
    for (unsigned s = 0; s < plan.cells.size(); ++s) {
      // Only the first is ever lapped so often.
      rings_.push_back(make_ring(s, plan.cells[s], s == 0 ? plan.first_lap : 0));
    }
    redelivery_ = make_ring(shm::kRedelivery, redelivery_cells_, plan.first_lap);
    const auto free = shm::State{plan.first_generation, 0, shm::Holder::free, 0}.word();
    states_ = make(Role::state, plan.blocks, free);
    pos_ = make(Role::pos, plan.blocks, 0);
    lease_ends_ = make(Role::lease_end, plan.blocks, 0);
    payloads_ = make(Role::payload, 2 * plan.blocks, 0);
    hints_ = make(Role::hint, 4, 0);
    open_ = make(Role::open, plan.participants, 0);
    for (unsigned i = 0; i < 4; ++i) {
      const Word cells = i < 2 ? plan.cells[0] : redelivery_cells_;
      hints_[i]->begin_as({Role::hint, 0, i}, plan.first_lap * cells);
    }
    ready_ = make(Role::ready, 3, 0);
    ready_[0]->begin_as({Role::ready, 0, 0}, plan.ready_blocks);
    ready_[1]->begin_as({Role::ready, 0, 1}, 1);
    ready_[2]->begin_as({Role::ready, 0, 2}, std::min<Word>(2, redelivery_cells_));
    expiry_.begin_as({Role::expiry, 0, 0}, 0);
  }

  const QueuePlan& plan() const { return plan_; }

  // ---- For Ring ----

  Word maxsize() const { return plan_.maxsize; }
  unsigned segments() const { return static_cast<unsigned>(rings_.size()); }
  unsigned size_classes() const { return 1; }
  std::uint32_t blocks() const { return plan_.blocks; }
  Word cells(unsigned ring) const {
    return ring == shm::kRedelivery ? redelivery_cells_ : plan_.cells[ring];
  }
  unsigned cells_log2(unsigned ring) const {
    return static_cast<unsigned>(std::countr_zero(cells(ring)));
  }
  void prefetch(unsigned, Word, shm::Kind) const {}
  Atomic& cell(unsigned ring, Word index) const {
    return *(ring == shm::kRedelivery ? redelivery_ : rings_[ring])[index];
  }
  Atomic& state(std::uint32_t block) const { return *states_[block]; }
  Atomic& pos(std::uint32_t block) const { return *pos_[block]; }
  Atomic& lease_end(std::uint32_t block) const { return *lease_ends_[block]; }
  Atomic& hint(shm::Hint hint) const { return *hints_[static_cast<unsigned>(hint)]; }
  Atomic& next_expiry() { return expiry_; }
  shm::BlockRange block_range(unsigned) const {
    return {0, static_cast<std::uint32_t>(ready_[0]->load()), plan_.blocks};
  }
  unsigned ready_segments() const { return static_cast<unsigned>(ready_[1]->load()); }
  Word ready_cells(unsigned ring) const {
    return ring == shm::kRedelivery ? ready_[2]->load() : plan_.cells[ring];
  }
  bool reuses_first(unsigned) const { return false; }
  void make_blocks(unsigned, std::uint32_t count) { raise(0, count, plan_.blocks); }
  void make_segment(unsigned segment) { raise(1, segment + 1, segments()); }
  void make_redelivery(Word cells) { raise(2, cells, redelivery_cells_); }
  void wake(shm::Event, int) {}
  void wake_all() {}

  // ---- For the simulation ----

  Atomic& payload(std::uint32_t block, unsigned half) const { return *payloads_[2 * block + half]; }
  // Of a participant: what it took for good and did not report.
  Atomic& open(unsigned participant) const { return *open_[participant]; }

 private:
  using Words = std::vector<std::unique_ptr<Atomic>>;

  static Words make(Role role, std::size_t count, Word value) {
    Words words;
    for (std::uint32_t i = 0; i < count; ++i) {
      words.push_back(std::make_unique<Atomic>(0));
      words.back()->begin_as({role, 0, i}, value);
    }
    return words;
  }
  static Words make_ring(unsigned ring, Word cells, Word lap) {
    const Word empty = shm::Cell{lap, shm::Kind::empty, 0, 0}.word();
    Words words = make(Role::cell, cells, empty);
    for (std::uint32_t i = 0; i < cells; ++i) words[i]->begin_as({Role::cell, ring, i}, empty);
    return words;
  }
  void raise(unsigned which, Word to, Word most) {
    to = std::min(to, most);
    Word seen = ready_[which]->load();
    while (seen < to && !ready_[which]->compare_exchange_strong(seen, to)) {
    }
  }

  QueuePlan plan_;
  Word redelivery_cells_;
  std::vector<Words> rings_;
  Words redelivery_;
  Words states_;
  Words pos_;
  Words lease_ends_;
  Words payloads_;
  Words hints_;
  Words open_;
  Words ready_;
  Atomic expiry_{0};
};

// `Flaw` is a name under which a test writes parts of Ring again, wrongly.
struct NoFlaw {};
template <class Flaw = NoFlaw>
class SimulatedMemory : public SimulatedWords {
 public:
  using SimulatedWords::SimulatedWords;
};

}  // namespace steward::detail::test
