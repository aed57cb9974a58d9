#include <steward/core/reader.hpp>

#include <array>
#include <bit>
#include <limits>

namespace steward::detail::core {
namespace {

constexpr std::uint64_t kLargestInteger = std::numeric_limits<std::int64_t>::max();

// How a tag byte reads: its kind, then either `inline_size` in the tag itself or `width` bytes that
// hold a number or a length.
struct Tag {
  Kind kind = Kind::nil;
  std::uint8_t width = 0;
  std::uint8_t inline_size = 0;
  bool known = true;
};

constexpr Tag describe(unsigned tag) {
  const auto low = [tag](unsigned mask) { return static_cast<std::uint8_t>(tag & mask); };
  if (tag < 0x80 || tag >= 0xe0) return {Kind::integer, 0, 0};
  if (tag < 0x90) return {Kind::map, 0, low(15)};
  if (tag < 0xa0) return {Kind::array, 0, low(15)};
  if (tag < 0xc0) return {Kind::string, 0, low(31)};
  switch (tag) {
    case 0xc0: return {Kind::nil};
    case 0xc2:
    case 0xc3: return {Kind::boolean};
    case 0xc4: return {Kind::bytes, 1};
    case 0xc5: return {Kind::bytes, 2};
    case 0xc6: return {Kind::bytes, 4};
    case 0xc7: return {Kind::extension, 1};
    case 0xc8: return {Kind::extension, 2};
    case 0xc9: return {Kind::extension, 4};
    case 0xca: return {Kind::real, 4};
    case 0xcb: return {Kind::real, 8};
    case 0xcc: return {Kind::integer, 1};
    case 0xcd: return {Kind::integer, 2};
    case 0xce: return {Kind::integer, 4};
    case 0xcf: return {Kind::integer, 8};
    case 0xd0: return {Kind::integer, 1};
    case 0xd1: return {Kind::integer, 2};
    case 0xd2: return {Kind::integer, 4};
    case 0xd3: return {Kind::integer, 8};
    case 0xd4: return {Kind::extension, 0, 1};
    case 0xd5: return {Kind::extension, 0, 2};
    case 0xd6: return {Kind::extension, 0, 4};
    case 0xd7: return {Kind::extension, 0, 8};
    case 0xd8: return {Kind::extension, 0, 16};
    case 0xd9: return {Kind::string, 1};
    case 0xda: return {Kind::string, 2};
    case 0xdb: return {Kind::string, 4};
    case 0xdc: return {Kind::array, 2};
    case 0xdd: return {Kind::array, 4};
    case 0xde: return {Kind::map, 2};
    case 0xdf: return {Kind::map, 4};
    default: return {Kind::nil, 0, 0, false};
  }
}

constexpr auto kTags = [] {
  std::array<Tag, 256> table{};
  for (unsigned tag = 0; tag < 256; ++tag) table[tag] = describe(tag);
  return table;
}();

// Apart, so that what calls it stays small.
[[noreturn]] [[gnu::cold]] void no_value(const char* why) { throw BadCall(why); }

}  // namespace

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::nil: return "nil";
    case Kind::boolean: return "a boolean";
    case Kind::integer:
    case Kind::natural: return "an integer";
    case Kind::real: return "a real";
    case Kind::string: return "a string";
    case Kind::bytes: return "bytes";
    case Kind::array: return "a list";
    case Kind::map: return "a map";
    case Kind::extension: return "a handle";
  }
  return "an unknown kind";
}

// Only here, and everywhere here.
inline std::uint8_t Reader::tag() const {
  if (at_ == end_) no_value("malformed message: it ends where a value should begin");
  const auto tag = static_cast<std::uint8_t>(*at_);
  if (!kTags[tag].known) no_value("malformed message: byte 0xc1 begins no value");
  return tag;
}

Kind Reader::peek() const {
  const std::uint8_t next = tag();
  const Kind kind = kTags[next].kind;
  const bool large = next == 0xcf && remaining() >= 9 && (at_[1] & 0x80) != 0;
  return large ? Kind::natural : kind;
}

void Reader::wrong_kind(std::string_view wanted) const {
  throw BadCall("expected " + std::string(wanted) + ", got " + std::string(kind_name(peek())));
}

void Reader::too_much_memory() const {
  const auto size = static_cast<std::size_t>(end_ - begin_);
  throw Overloaded("a message of " + std::to_string(size) + " bytes would take more than " +
                   std::to_string((kMemoryBytes + size * kMemoryBytesPerByte) >> 20U) +
                   " MiB of memory as a Value");
}

void Reader::too_many_comparisons() {
  throw BadCall("too many keys of a map or a set have one hash");
}

std::string_view Reader::take(std::size_t size) {
  if (size > remaining()) throw BadCall("malformed message: it ends inside a value");
  const std::string_view taken(at_, size);
  at_ += size;
  return taken;
}

std::uint64_t Reader::take_big_endian(std::size_t size) {
  std::uint64_t value = 0;
  for (const char byte : take(size)) value = value << 8U | static_cast<std::uint8_t>(byte);
  return value;
}

std::size_t Reader::checked_count(std::uint64_t count, std::size_t items_each) const {
  if (count > remaining() / items_each) {
    throw BadCall("malformed message: it announces more elements than it has bytes");
  }
  return static_cast<std::size_t>(count);
}

bool Reader::not_nil() const {
  tag();
  return false;
}

void Reader::nil() {
  if (!nil_if_next()) wrong_kind("nil");
}

bool Reader::boolean() {
  const std::uint8_t next = tag();
  if (kTags[next].kind != Kind::boolean) wrong_kind("a boolean");
  ++at_;
  return next == 0xc3;
}

std::int64_t Reader::integer() {
  const std::uint8_t next = tag();
  if (kTags[next].kind != Kind::integer) wrong_kind("an integer");
  ++at_;
  if (kTags[next].width == 0) return static_cast<std::int8_t>(next);
  const std::uint64_t raw = take_big_endian(kTags[next].width);
  switch (next) {
    case 0xd0: return static_cast<std::int8_t>(raw);
    case 0xd1: return static_cast<std::int16_t>(raw);
    case 0xd2: return static_cast<std::int32_t>(raw);
    case 0xd3: return static_cast<std::int64_t>(raw);
    default: break;
  }
  if (raw > kLargestInteger) throw BadCall("the integer " + std::to_string(raw) + " is too large");
  return static_cast<std::int64_t>(raw);
}

std::uint64_t Reader::longer_natural() {
  if (tag() == 0xcf) {
    ++at_;
    return take_big_endian(8);
  }
  const std::int64_t value = integer();
  if (value < 0) throw BadCall("expected a non-negative integer, got " + std::to_string(value));
  return static_cast<std::uint64_t>(value);
}

double Reader::real() {
  const std::uint8_t next = tag();
  if (kTags[next].kind != Kind::real) wrong_kind("a real");
  ++at_;
  const std::uint64_t raw = take_big_endian(kTags[next].width);
  if (kTags[next].width == 8) return std::bit_cast<double>(raw);
  return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(raw)));
}

std::string_view Reader::longer_string() {
  const Tag form = kTags[tag()];
  if (form.kind != Kind::string) wrong_kind("a string");
  ++at_;
  return take(form.width == 0 ? form.inline_size
                              : static_cast<std::size_t>(take_big_endian(form.width)));
}

std::string_view Reader::bytes() {
  const Tag form = kTags[tag()];
  if (form.kind != Kind::bytes) wrong_kind("bytes");
  ++at_;
  return take(static_cast<std::size_t>(take_big_endian(form.width)));
}

Reader::Extension Reader::extension() {
  const Tag form = kTags[tag()];
  if (form.kind != Kind::extension) wrong_kind("a handle");
  ++at_;
  const std::size_t size = form.width == 0
                               ? form.inline_size
                               : static_cast<std::size_t>(take_big_endian(form.width));
  const auto type = static_cast<std::int8_t>(take(1).front());
  return {type, take(size)};
}

std::size_t Reader::longer_array() {
  const Tag form = kTags[tag()];
  if (form.kind != Kind::array) wrong_kind("a list");
  ++at_;
  return checked_count(form.width == 0 ? form.inline_size : take_big_endian(form.width), 1);
}

std::size_t Reader::map() {
  const Tag form = kTags[tag()];
  if (form.kind != Kind::map) wrong_kind("a map");
  ++at_;
  return checked_count(form.width == 0 ? form.inline_size : take_big_endian(form.width), 2);
}

void Reader::array_of(std::size_t count) {
  const std::size_t found = array();
  if (found != count) {
    throw BadCall("expected " + std::to_string(count) + " elements, got " + std::to_string(found));
  }
}

std::string_view Reader::skip(std::size_t depth) {
  const char* const start = at_;
  // Items still to pass over, a level each; the innermost is last.
  std::array<std::size_t, 256> open;
  if (depth >= open.size()) depth = open.size() - 1;
  std::size_t level = 0;
  open[0] = 1;
  for (;;) {
    while (open[level] == 0) {
      if (level == 0) return {start, static_cast<std::size_t>(at_ - start)};
      --level;
    }
    --open[level];
    std::size_t items = 0;
    const std::uint8_t next = tag();
    const Tag form = kTags[next];
    switch (form.kind) {
      case Kind::array: items = array(); break;
      case Kind::map: items = map() * 2; break;
      case Kind::string: string(); break;
      case Kind::bytes: bytes(); break;
      case Kind::extension: extension(); break;
      default: take(1 + std::size_t{form.width}); break;
    }
    const bool container = form.kind == Kind::array || form.kind == Kind::map;
    if (!container) continue;
    if (level == depth) {
      throw BadCall("values are nested more than " + std::to_string(depth) + " deep");
    }
    open[++level] = items;
  }
}

void Reader::finish() const {
  if (!done()) throw BadCall("malformed message: bytes follow its end");
}

std::string describe_item(std::string_view bytes) {
  Reader reader(bytes);
  const Kind kind = reader.peek();
  switch (kind) {
    case Kind::bytes: return std::to_string(reader.bytes().size()) + " bytes";
    case Kind::array: return "a list of " + std::to_string(reader.array()) + " items";
    default: return std::string(kind_name(kind));
  }
}

void check_one_item(std::string_view bytes, std::size_t depth) {
  Reader reader(bytes);
  reader.skip(depth);
  reader.finish();
}

}  // namespace steward::detail::core
