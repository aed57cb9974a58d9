// Reads MessagePack that a stranger may have written. Nothing is trusted: every length is compared
// with the bytes that are there before anything is allocated, and nesting is bounded. So it stays
// if others change the bytes meanwhile: a length is used as it was compared.
//
// Thread safety: none; one reader, one thread. A reader that has thrown must not be used again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <steward/core/errors.hpp>

namespace steward::detail::core {

enum class Kind : std::uint8_t {
  nil, boolean, integer, natural, real, string, bytes, array, map, extension
};

std::string_view kind_name(Kind kind);

// A cursor over bytes that it does not own; views that it returns live as long as those.
// All functions throw BadCall if the next item is of another kind, truncated or malformed.
//
// Nearly all items of an envelope have a form of one byte: those are read here, where the compiler
// sees it, and all other forms, and the errors, in the functions longer_*().
class Reader {
 public:
  explicit Reader(std::string_view bytes)
      : begin_(bytes.data()), at_(begin_), end_(begin_ + bytes.size()),
        memory_(kMemoryBytes + bytes.size() * kMemoryBytesPerByte) {}

  bool done() const { return at_ == end_; }
  std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }
  std::size_t position() const { return static_cast<std::size_t>(at_ - begin_); }
  // Kind::natural stands for integers above the largest std::int64_t only.
  Kind peek() const;

  bool nil_if_next() {  // takes a nil and says true, or leaves what is there
    if (at_ == end_ || next_byte() != 0xc0) return not_nil();
    ++at_;
    return true;
  }
  void nil();
  bool boolean();
  std::int64_t integer();
  std::uint64_t natural() {  // any non-negative integer
    if (at_ == end_ || next_byte() >= 0x80) return longer_natural();
    return static_cast<std::uint8_t>(*at_++);
  }
  double real();            // float 32 and 64
  std::string_view string() {
    if (at_ == end_ || (next_byte() & 0xe0U) != 0xa0) return longer_string();
    const std::size_t size = next_byte() & 0x1fU;
    if (size >= remaining()) return longer_string();
    const std::string_view text(at_ + 1, size);
    at_ += 1 + size;
    return text;
  }
  std::string_view bytes();
  struct Extension {
    std::int8_t type;
    std::string_view payload;
  };
  Extension extension();
  // The count, which is at most the number of bytes that remain (for a map half of it).
  std::size_t array() {
    if (at_ == end_ || (next_byte() & 0xf0U) != 0x90) return longer_array();
    const std::size_t count = next_byte() & 0x0fU;
    if (count >= remaining()) return longer_array();
    ++at_;
    return count;
  }
  std::size_t map();
  // Throws unless the array has exactly `count` elements.
  void array_of(std::size_t count);

  // Passes over one whole item, however nested (at most `depth` containers deep), without
  // recursion, and returns its bytes.
  std::string_view skip(std::size_t depth);

  // Throws BadCall if anything follows.
  void finish() const;

  // Whoever makes much of few bytes says before how much memory that takes. What programs have does
  // not meet the bound, however long it is. For each byte, as Values, a list takes 40 if it is of
  // small numbers or of empty texts, lists or maps; 72 of pairs of numbers ([x, y]) or of maps with
  // one entry; 88 of rows with one number ([x]); 104 where each stands in another list or struct of
  // one member ([[x]]); and 112 where that does ([[[x]]]). One level more, 117, meets it with 14
  // megabytes, and 70 levels, 135, with three. Throws Overloaded.
  void take_memory(std::size_t bytes) {
    if (bytes > memory_) too_much_memory();
    memory_ -= bytes;
  }
  // What may still be taken.
  std::size_t memory_left() const { return memory_; }
  static constexpr std::size_t kMemoryBytesPerByte = 112;
  // Keys of a hash table were compared, as many as that, because they stand in one bucket. It bears
  // with about a second of it: ten thousand keys of one and the same hash. Throws BadCall.
  void compare_keys(std::size_t count) {
    if (count > comparisons_) too_many_comparisons();
    comparisons_ -= count;
  }

 private:
  static constexpr std::size_t kMemoryBytes = 64U << 20U;
  static constexpr std::size_t kComparisons = 1U << 26U;

  unsigned next_byte() const { return static_cast<std::uint8_t>(*at_); }  // REQUIRES: !done()
  bool not_nil() const;  // false; throws if there is no value
  std::uint64_t longer_natural();
  std::string_view longer_string();
  std::size_t longer_array();
  std::uint8_t tag() const;
  std::uint64_t take_big_endian(std::size_t size);
  std::string_view take(std::size_t size);
  std::size_t checked_count(std::uint64_t count, std::size_t items_each) const;
  [[noreturn]] void wrong_kind(std::string_view wanted) const;
  [[noreturn]] void too_much_memory() const;
  [[noreturn]] static void too_many_comparisons();

  const char* begin_;
  const char* at_;
  const char* end_;
  std::size_t memory_;
  std::size_t comparisons_ = kComparisons;
};

// "a list of 3 items", "12 bytes", "a string": the item that `bytes` begin with, for error texts.
std::string describe_item(std::string_view bytes);
// Throws BadCall unless `bytes` are exactly one well-formed item, nested at most `depth` deep.
void check_one_item(std::string_view bytes, std::size_t depth);

}  // namespace steward::detail::core
