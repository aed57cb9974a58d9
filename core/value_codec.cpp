// Values as MessagePack, both ways.
#include <algorithm>
#include <cmath>
#include <limits>

#include <steward/core/handle_codec.hpp>
#include <steward/core/limits.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/value.hpp>
#include <steward/core/writer.hpp>

namespace steward::detail::core {
namespace {

// As short as it can be without a loss, as integers are: so a value that somebody else wrote, as
// floats for instance, never becomes longer here.
void encode_real(Writer& out, double value) {
  const bool in_range = std::abs(value) <= double{std::numeric_limits<float>::max()};
  const float shorter = in_range ? static_cast<float>(value) : 0;
  if (in_range && double{shorter} == value) return out.real32(shorter);
  out.real(value);
}

// Depth was checked: recursion is bounded.
void encode(Writer& out, const Value& value, HandleCodec& codec) {
  switch (value.kind()) {
    case ValueKind::nil: return out.nil();
    case ValueKind::boolean: return out.boolean(value.boolean());
    case ValueKind::integer:
      return value.is<std::int64_t>() ? out.integer(value.integer()) : out.natural(value.natural());
    case ValueKind::real: return encode_real(out, value.real());
    case ValueKind::string: return out.string(value.string());
    case ValueKind::bytes: return out.bytes(value.bytes());
    case ValueKind::list:
      out.array(value.list().size());
      for (const Value& item : value.list()) encode(out, item, codec);
      return;
    case ValueKind::map:
      out.map(value.map().size());
      for (const auto& [key, item] : value.map()) {
        encode(out, key, codec);
        encode(out, item, codec);
      }
      return;
    case ValueKind::proxy:
      if (!value.reference()) throw StaleHandle("an empty proxy cannot be sent");
      return encode_token(out, codec.outgoing(*value.reference()));
  }
}

// What a list or a map, or bytes, take beside their contents: their node and what allocating costs.
constexpr std::size_t kContainerBytes = 96;
constexpr std::size_t kBytesBytes = 64;
// The same of a string that does not lie in its Value.
constexpr std::size_t kStringBytes = 16;

// A container that is being read. What the wire announces is reserved only so far; more as it
// really arrives, at most four times what is there, and never more than will come.
class Open {
 public:
  Open(std::size_t count, bool map)
      : missing_(map ? 2 * count : count), count_(count), map_(map) {}

  bool whole() const { return missing_ == 0; }
  void add(Value value) {
    const bool of_key = map_ && missing_ % 2 == 1;
    --missing_;
    if (of_key) {
      entries_.back().second = std::move(value);
    } else if (map_) {
      make_room(entries_);
      entries_.emplace_back(std::move(value), Value());
    } else {
      make_room(items_);
      items_.push_back(std::move(value));
    }
  }
  Value close() {
    return map_ ? Value::of_map(std::move(entries_)) : Value(std::move(items_));
  }

 private:
  static constexpr std::size_t kReserve = 1024;  // at first

  template <class Parts>
  void make_room(Parts& parts) const {
    if (parts.size() < parts.capacity()) return;
    parts.reserve(std::min(count_, parts.empty() ? kReserve : 4 * parts.size()));
  }

  Value::List items_;
  Value::Map entries_;
  std::size_t missing_;  // values: keys, too
  const std::size_t count_;
  const bool map_;
};

Value text(Reader& in) {
  const std::string_view text = in.string();
  if (text.size() > std::string().capacity()) in.take_memory(text.size() + kStringBytes);
  return text;
}

Value bytes(Reader& in) {
  const std::string_view bytes = in.bytes();
  if (!bytes.empty()) in.take_memory(bytes.size() + kBytesBytes);
  return Value::of_bytes(bytes);
}

Value decode_scalar(Reader& in, Kind kind, HandleCodec& codec) {
  switch (kind) {
    case Kind::nil: in.nil(); return {};
    case Kind::boolean: return in.boolean();
    case Kind::integer: return in.integer();
    case Kind::natural: return in.natural();
    case Kind::real: return in.real();
    case Kind::string: return text(in);
    case Kind::bytes: return bytes(in);
    default: break;
  }
  const Reader::Extension extension = in.extension();
  if (extension.type != kHandleExtension) {
    throw BadCall("extension type " + std::to_string(extension.type) + " is unknown");
  }
  return Value::of_reference(codec.incoming(decode_token(extension.payload)));
}

}  // namespace

void encode_value(Writer& out, const Value& value, HandleCodec& codec, std::size_t depth) {
  if (value.depth() > depth) {
    throw BadCall("a value is nested more than " + std::to_string(depth) + " deep");
  }
  encode(out, value, codec);
}

Value decode_value(Reader& in, HandleCodec& codec) {
  std::vector<Open> open;
  for (;;) {
    const Kind kind = in.peek();
    const bool scalar = kind != Kind::array && kind != Kind::map;
    if (scalar && open.empty()) return decode_scalar(in, kind, codec);
    Value value;
    if (!scalar) {
      const bool map = kind == Kind::map;
      const std::size_t count = map ? in.map() : in.array();
      if (open.size() == kFrameDepth) {
        throw BadCall("a value is nested more than " + std::to_string(kFrameDepth) + " deep");
      }
      if (count > 0) {
        in.take_memory(kContainerBytes);
        open.emplace_back(count, map);
        continue;
      }
      value = map ? Value::of_map({}) : Value(Value::List());
    } else {
      value = decode_scalar(in, kind, codec);
    }
    for (;;) {
      if (open.empty()) return value;
      in.take_memory(sizeof value);
      open.back().add(std::move(value));
      if (!open.back().whole()) break;
      value = open.back().close();
      open.pop_back();
    }
  }
}

std::string encoded(const Value& value) {
  std::string bytes;
  Writer writer(bytes);
  encode_value(writer, value, current_handle_codec());
  if (bytes.size() > UINT32_MAX) throw Overloaded("a value has more than 2^32 - 1 bytes");
  return bytes;
}

Value decoded(std::string_view bytes) { return decode_value(bytes, current_handle_codec()); }

Value decode_value(std::string_view bytes, HandleCodec& codec) {
  Reader reader(bytes);
  Value value = decode_value(reader, codec);
  reader.finish();
  return value;
}

}  // namespace steward::detail::core
