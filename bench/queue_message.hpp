// The messages that go through every queue that is compared: filled to the last byte, read to the
// last byte, and numbered, so that one that is lost, doubled, torn or overtaken is found.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace steward::bench {

// Nothing but bytes, so that every peer can carry it. Not initialized: fill() writes it all.
template <std::size_t N>
struct Message {
  static_assert(N > 0 && N % sizeof(std::uint64_t) == 0);
  std::array<std::uint64_t, N / sizeof(std::uint64_t)> words;

  void fill(std::uint64_t number) { words.fill(number); }
  // Throws std::runtime_error if a part of it is another message's.
  std::uint64_t number() const {
    std::uint64_t different = 0;
    for (const std::uint64_t word : words) different |= word ^ words[0];
    if (different != 0) throw std::runtime_error("a message is torn");
    return words[0];
  }
};

// The sizes of the table of throughputs.
using Sizes = std::index_sequence<8, 64, 256, 1024, 4096, 65'536, 1'048'576>;

// How many messages of a size a queue holds; the same for every peer that can be told.
constexpr std::size_t capacity_for(std::size_t bytes) {
  constexpr std::size_t kMessagesMax = 1024;
  constexpr std::size_t kBytesMax = std::size_t{16} << 20U;
  return bytes * kMessagesMax <= kBytesMax ? kMessagesMax : kBytesMax / bytes;
}

inline constexpr std::uint64_t kProducersMax = 16;
inline constexpr unsigned kProducerShift = 48;

// Of one producer: number by number, with the producer in front.
class Numbers {
 public:
  explicit Numbers(std::uint64_t producer) : next_(producer << kProducerShift) {}
  std::uint64_t next() { return next_++; }

 private:
  std::uint64_t next_;
};

// What one consumer sees of all producers: their numbers grow, and none is missing where nobody
// else takes any.
class Order {
 public:
  enum class Consumers { one, several };

  explicit Order(Consumers consumers) : consumers_(consumers) {
    for (std::uint64_t i = 0; i < kProducersMax; ++i) next_[i] = i << kProducerShift;
  }
  // Throws std::runtime_error if it is out of order.
  void check(std::uint64_t number) {
    std::uint64_t& next = next_.at(number >> kProducerShift);
    const bool right = consumers_ == Consumers::one ? number == next : number >= next;
    if (!right) {
      throw std::runtime_error("message " + std::to_string(number) + " came where " +
                               std::to_string(next) + " was expected");
    }
    next = number + 1;
  }

 private:
  Consumers consumers_;
  std::array<std::uint64_t, kProducersMax> next_{};
};

}  // namespace steward::bench
