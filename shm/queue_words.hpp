// The words of a queue in shared memory: how each packs its fields into 64 bits.
//
//   cell   lap:30 | kind:2 | owner:10 | block:22       one position of a ring
//   state  generation:40 | deliveries:10 | st:4 | owner:10   who has a block, and for what
//   pos    generation:16 | ring:6 | lap:20 | index:22   where a block was last (to be) published
//   place  segment:6 | at:58                            a position, as the hints store it
//
// Every field is kept in range by its packer; whoever unpacks a word from shared memory must expect
// any value (see Ring).
#pragma once

#include <cstdint>

namespace steward::detail::shm {

using Word = std::uint64_t;

// The numbers of participants are 1 to kOwnersMax; 0 is nobody. (In words a participant that holds
// something is called its owner.)
inline constexpr unsigned kOwnersMax = 1023;
inline constexpr std::uint32_t kBlocksMax = 1U << 22U;
inline constexpr unsigned kSegmentsMax = 62;
// The ring of what came back, where a segment's number would stand.
inline constexpr unsigned kRedelivery = 63;

namespace words {

template <unsigned kBits>
inline constexpr Word kMask = (Word{1} << kBits) - 1;

template <unsigned kShift, unsigned kBits>
constexpr Word field(Word word) {
  return word >> kShift & kMask<kBits>;
}
template <unsigned kShift, unsigned kBits>
constexpr Word in(Word value) {
  return (value & kMask<kBits>) << kShift;
}

}  // namespace words

enum class Kind : unsigned { empty, full, taken, end };

// `end` with block 0 closes the queue; with block s it says "go on in segment s".
class Cell {
 public:
  static constexpr unsigned kLapBits = 30;

  constexpr Cell() = default;
  // The lap modulo 2^30.
  constexpr Cell(Word lap, Kind kind, unsigned owner, std::uint32_t block)
      : word_(words::in<34, kLapBits>(lap) | words::in<32, 2>(static_cast<Word>(kind)) |
              words::in<22, 10>(owner) | words::in<0, 22>(block)) {}
  static constexpr Cell of(Word word) {
    Cell cell;
    cell.word_ = word;
    return cell;
  }

  constexpr Word word() const { return word_; }
  constexpr Word lap() const { return words::field<34, kLapBits>(word_); }
  constexpr Kind kind() const { return static_cast<Kind>(words::field<32, 2>(word_)); }
  constexpr unsigned owner() const { return static_cast<unsigned>(words::field<22, 10>(word_)); }
  constexpr std::uint32_t block() const {
    return static_cast<std::uint32_t>(words::field<0, 22>(word_));
  }

 private:
  Word word_ = 0;
};

// How many laps the cell is ahead (or, negative, behind) of a lap counted in full. Right while they
// are less than 2^29 apart.
constexpr std::int64_t laps_ahead(Word cell_lap, Word lap) {
  const Word apart = (cell_lap - lap) & words::kMask<Cell::kLapBits>;
  constexpr Word kHalf = Word{1} << (Cell::kLapBits - 1);
  return static_cast<std::int64_t>(apart) -
         (apart >= kHalf ? static_cast<std::int64_t>(2 * kHalf) : 0);
}

enum class Holder : unsigned {
  free,       // nobody's
  claimed,    // a producer fills it, or it is published and not yet taken
  inflight,   // taken; its consumer may not be interrupted
  lease,      // taken until a deadline, then anybody gives it back
  redeliver,  // came back: to be published again, or published and not yet taken
};

class State {
 public:
  static constexpr Word kDeliveriesMax = 1023;

  constexpr State() = default;
  constexpr State(Word generation, Word deliveries, Holder holder, unsigned owner)
      : word_(words::in<24, 40>(generation) | words::in<14, 10>(deliveries) |
              words::in<10, 4>(static_cast<Word>(holder)) | words::in<0, 10>(owner)) {}
  static constexpr State of(Word word) {
    State state;
    state.word_ = word;
    return state;
  }

  constexpr Word word() const { return word_; }
  constexpr Word generation() const { return words::field<24, 40>(word_); }
  // How often the item came back; saturates.
  constexpr Word deliveries() const { return words::field<14, 10>(word_); }
  constexpr Holder holder() const { return static_cast<Holder>(words::field<10, 4>(word_)); }
  constexpr unsigned owner() const { return static_cast<unsigned>(words::field<0, 10>(word_)); }

  constexpr State freed() const { return {generation() + 1, 0, Holder::free, 0}; }
  constexpr State held_by(unsigned who, Holder how) const {
    return {generation(), deliveries(), how, who};
  }
  constexpr State given_back_by(unsigned who) const {
    const Word again = deliveries() < kDeliveriesMax ? deliveries() + 1 : deliveries();
    return {generation() + 1, again, Holder::redeliver, who};
  }

 private:
  Word word_ = 0;
};

struct Pos {
  static constexpr Word kNone = ~Word{0};

  Word generation = 0;
  unsigned ring = 0;
  Word lap = 0;
  std::uint32_t index = 0;

  static constexpr Pos of(Word word) {
    return {words::field<48, 16>(word), static_cast<unsigned>(words::field<42, 6>(word)),
            words::field<22, 20>(word), static_cast<std::uint32_t>(words::field<0, 22>(word))};
  }
  constexpr Word word() const {
    return words::in<48, 16>(generation) | words::in<42, 6>(ring) | words::in<22, 20>(lap) |
           words::in<0, 22>(index);
  }
};

// A position of the queue: the at-th of a segment, counted from 0 and never wrapped.
struct Place {
  unsigned segment = 0;
  Word at = 0;

  static constexpr Place of(Word word) {
    return {static_cast<unsigned>(words::field<58, 6>(word)), words::field<0, 58>(word)};
  }
  constexpr Word word() const { return words::in<58, 6>(segment) | words::in<0, 58>(at); }

  friend constexpr auto operator<=>(const Place&, const Place&) = default;
};

}  // namespace steward::detail::shm
