#include <steward/tests/shm/vandal.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>

namespace steward::detail::test {

using shm::Cell;
using shm::Kind;
using shm::Place;
using shm::Pos;
using shm::State;
using shm::kRedelivery;

namespace {

// Of a large queue only so many of each are struck: its victims would need the memory for all.
constexpr shm::Word kNear = 300;
constexpr shm::Word kReadyMax = 2000;

}  // namespace

Vandal::Word Vandal::any() {
  switch (below(4)) {
    case 0: return 0;
    case 1: return ~Word{0};
    case 2: return Word{1} << below(64);
    default: return random_();
  }
}

// Of about this lap, or of any.
Vandal::Word Vandal::cell(unsigned ring, Word index) {
  const Cell is = Cell::of(memory_.cell(ring, index).load());
  const Word lap = below(4) == 0 ? random_() : is.lap() + below(5) - 2;
  const Word block = below(2) == 0 ? below(40) : random_();
  return Cell{lap, static_cast<Kind>(below(4)), static_cast<unsigned>(below(5)),
              static_cast<std::uint32_t>(block)}
      .word();
}

Vandal::Word Vandal::state(std::uint32_t block) {
  const State is = State::of(memory_.state(block).load());
  const auto holder = static_cast<shm::Holder>(below(8) == 0 ? below(16) : below(5));
  const auto owner = static_cast<unsigned>(below(2) == 0 ? below(4) : random_());
  return State(is.generation() + below(3) - 1, is.deliveries(), holder, owner).word();
}

Vandal::Word Vandal::pos() {
  const unsigned ring = below(2) == 0 ? kRedelivery : static_cast<unsigned>(below(64));
  return Pos{below(2) == 0 ? below(8) : random_(), ring, below(2) == 0 ? below(3) : random_(),
             static_cast<std::uint32_t>(below(2) == 0 ? below(kNear) : random_())}
      .word();
}

Vandal::Word Vandal::place() {
  const unsigned segment = below(2) == 0 ? 0 : static_cast<unsigned>(below(64));
  return Place{segment, below(2) == 0 ? below(1000) : random_()}.word();
}

Vandal::Word Vandal::time() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto is = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  return static_cast<Word>(is) + below(20'000'000) - 10'000'000;
}

void Vandal::strike_cell() {
  const unsigned ring = below(3) == 0 ? kRedelivery : 0;
  const Word index = below(2) == 0 ? below(12) : below(std::min(kNear, memory_.cells(ring)));
  memory_.cell(ring, index).store(below(8) == 0 ? any() : cell(ring, index));
}

void Vandal::strike_block() {
  const auto range = memory_.block_range(static_cast<unsigned>(below(memory_.size_classes())));
  if (range.ready == 0) return;
  const auto block = range.first + static_cast<std::uint32_t>(
                                       below(below(2) == 0 ? std::min(range.ready, 12U)
                                                           : range.ready));
  switch (below(6)) {
    case 0: memory_.pos(block).store(below(8) == 0 ? any() : pos()); break;
    case 1: memory_.lease_end(block).store(below(2) == 0 ? any() : time()); break;
    case 2:
      // Length, format, and in the larger classes how much of the payload is real.
      for (Word i = 1; i <= 2; ++i) (&memory_.lease_end(block))[i].store(any());
      break;
    default: memory_.state(block).store(below(8) == 0 ? any() : state(block)); break;
  }
}

void Vandal::strike_hot_word() {
  auto* hot = reinterpret_cast<shm::HotWords*>(memory_.segment().data() +
                                               shm::QueueLayout::kHotWords);
  switch (below(8)) {
    case 0:
    case 1:
    case 2: hot->hints[below(4)].word.store(below(8) == 0 ? any() : place()); break;
    case 3: hot->events[below(4)].word.store(static_cast<std::uint32_t>(any())); break;
    case 4: hot->next_expiry.word.store(below(2) == 0 ? any() : time()); break;
    case 5: hot->ready_blocks[below(shm::kSizeClasses)].word.store(below(kReadyMax)); break;
    case 6: hot->ready_segments.word.store(below(4)); break;
    default: hot->ready_redelivery.word.store(below(2) == 0 ? below(kReadyMax) : below(3)); break;
  }
}

void Vandal::strike_owner() {
  if (below(4) == 0) {
    memory_.owners_end().store(below(2) == 0 ? below(20) : any());
    return;
  }
  auto& owner = memory_.owner(static_cast<unsigned>(below(6)));
  if (below(2) == 0) owner.dirty.store(below(2));
  else owner.open_tasks.store(any());
}

void Vandal::strike() {
  switch (below(8)) {
    case 0:
    case 1:
    case 2: strike_cell(); break;
    case 3:
    case 4: strike_block(); break;
    case 5:
    case 6: strike_hot_word(); break;
    default: strike_owner(); break;
  }
}

void Vandal::strike_descriptor() {
  const Word value = below(2) == 0 ? any() : below(5000);
  std::memcpy(memory_.segment().data() + 8 * below(sizeof(shm::Descriptor) / 8), &value, 8);
}

}  // namespace steward::detail::test
