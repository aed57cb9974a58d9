// The memory of a small queue, for Ring, on words of which Relacy plays the memory model.
//
// All of it is real from the beginning, and nothing lies on the heap: an allocation would be one
// more choice for Relacy to play.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include <steward/shm/ring.hpp>
#include <steward/tests/shm/memory_order/sleepers.hpp>
#include <steward/tests/shm/memory_order/words.hpp>

namespace steward::detail::test {

struct QueuePlan {
  Word maxsize = 1;                 // 0: unbounded
  std::array<Word, 2> cells{2, 0};  // of each segment; 0: there is none
  std::uint32_t blocks = 3;
  Word redelivery_cells = 4;
  bool sleepers = false;  // whether anybody ever sleeps
};

class ModelledMemory {
 public:
  using Atomic = test::Atomic;
  // What a payload is: stored without any order, so each race about it is found.
  using Bytes = rl::var<Word>;

  static constexpr std::size_t kMost = 4;  // of anything

  explicit ModelledMemory(const QueuePlan& plan) : plan_(plan) {
    const auto empty = [&](unsigned ring) {
      return shm::Cell{first_lap(ring), shm::Kind::empty, 0, 0}.word();
    };
    for (std::uint32_t i = 0; i < kMost; ++i) {
      cells_[0][i].begin_as({Role::cell, 0, i}, empty(0));
      cells_[1][i].begin_as({Role::cell, 1, i}, 0);
      redelivery_[i].begin_as({Role::cell, shm::kRedelivery, i}, empty(shm::kRedelivery));
      states_[i].begin_as({Role::state, 0, i}, 0);
      pos_[i].begin_as({Role::pos, 0, i}, 0);
      lease_ends_[i].begin_as({Role::lease_end, 0, i}, 0);
      const unsigned ring = i < 2 ? 0 : shm::kRedelivery;
      hints_[i].begin_as({Role::hint, 0, i}, first_lap(ring) * cells(ring));
    }
    expiry_.begin_as({Role::expiry, 0, 0}, 0);
  }

  const QueuePlan& plan() const { return plan_; }

  // ---- For Ring ----

  Word maxsize() const { return plan_.maxsize; }
  unsigned segments() const { return plan_.cells[1] == 0 ? 1 : 2; }
  unsigned size_classes() const { return 1; }
  std::uint32_t blocks() const { return plan_.blocks; }
  Word cells(unsigned ring) const {
    return ring == shm::kRedelivery ? plan_.redelivery_cells : plan_.cells[ring];
  }
  unsigned cells_log2(unsigned ring) const {
    return static_cast<unsigned>(std::countr_zero(cells(ring)));
  }
  void prefetch(unsigned, Word, shm::Kind) const {}
  Atomic& cell(unsigned ring, Word index) {
    return ring == shm::kRedelivery ? redelivery_[index] : cells_[ring][index];
  }
  Atomic& state(std::uint32_t block) { return states_[block]; }
  Atomic& pos(std::uint32_t block) { return pos_[block]; }
  Atomic& lease_end(std::uint32_t block) { return lease_ends_[block]; }
  Atomic& hint(shm::Hint hint) { return hints_[static_cast<unsigned>(hint)]; }
  Atomic& next_expiry() { return expiry_; }
  shm::BlockRange block_range(unsigned) const { return {0, plan_.blocks, plan_.blocks}; }
  unsigned ready_segments() const { return segments(); }
  Word ready_cells(unsigned ring) const { return cells(ring); }
  bool reuses_first(unsigned) const { return false; }
  void make_blocks(unsigned, std::uint32_t) {}
  void make_segment(unsigned) {}
  void make_redelivery(Word) {}
  void wake(shm::Event which, int n) {
    if (plan_.sleepers) sleepers(which).wake(n);
  }
  void wake_all() {
    if (!plan_.sleepers) return;
    for (Sleepers& sleepers : sleepers_) sleepers.wake_all();
  }

  // ---- For the play ----

  Bytes& bytes(std::uint32_t block) { return bytes_[block]; }
  Sleepers& sleepers(shm::Event which) { return sleepers_[static_cast<unsigned>(which)]; }

 private:
  using Words = std::array<Atomic, kMost>;

  // So near to where the hints are stored that a play gets there.
  Word first_lap(unsigned ring) const { return (shm::kHintEvery - 2) / cells(ring); }

  const QueuePlan plan_;
  std::array<Words, 2> cells_;
  Words redelivery_;
  Words states_;
  Words pos_;
  Words lease_ends_;
  Words hints_;
  Atomic expiry_;
  std::array<Bytes, kMost> bytes_;
  std::array<Sleepers, 4> sleepers_;
};

}  // namespace steward::detail::test
