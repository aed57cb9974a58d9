// Values as MessagePack, both ways.
#include <algorithm>

#include <steward/core/handle_codec.hpp>
#include <steward/core/limits.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/value.hpp>
#include <steward/core/writer.hpp>

namespace steward::detail::core {
namespace {

// Depth was checked: recursion is bounded.
void encode(Writer& out, const Value& value, HandleCodec& codec) {
  switch (value.kind()) {
    case ValueKind::nil: return out.nil();
    case ValueKind::boolean: return out.boolean(value.boolean());
    case ValueKind::integer:
      return value.is<std::int64_t>() ? out.integer(value.integer()) : out.natural(value.natural());
    case ValueKind::real: return out.real(value.real());
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

// A container that is being read: `items` of it are there, `missing` are to come.
struct Open {
  Value::List items;
  std::size_t missing;
  bool map;
};

Value close(Open open) {
  if (!open.map) return Value(std::move(open.items));
  Value::Map entries;
  entries.reserve(open.items.size() / 2);
  for (std::size_t i = 0; i < open.items.size(); i += 2) {
    entries.emplace_back(std::move(open.items[i]), std::move(open.items[i + 1]));
  }
  return Value::of_map(std::move(entries));
}

Value decode_scalar(Reader& in, Kind kind, HandleCodec& codec) {
  switch (kind) {
    case Kind::nil: in.nil(); return {};
    case Kind::boolean: return in.boolean();
    case Kind::integer: return in.integer();
    case Kind::natural: return in.natural();
    case Kind::real: return in.real();
    case Kind::string: return in.string();
    case Kind::bytes: return Value::of_bytes(in.bytes());
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
  // What the wire announces is reserved only up to here; more grows as it really arrives.
  constexpr std::size_t kReserve = 1024;
  std::vector<Open> open;
  for (;;) {
    const Kind kind = in.peek();
    const bool scalar = kind != Kind::array && kind != Kind::map;
    if (scalar && open.empty()) return decode_scalar(in, kind, codec);
    Value value;
    if (!scalar) {
      const bool map = kind == Kind::map;
      const std::size_t count = map ? in.map() * 2 : in.array();
      if (open.size() == kFrameDepth) {
        throw BadCall("a value is nested more than " + std::to_string(kFrameDepth) + " deep");
      }
      open.push_back({{}, count, map});
      open.back().items.reserve(std::min(count, kReserve));
      if (count > 0) continue;
      value = close(std::move(open.back()));
      open.pop_back();
    } else {
      value = decode_scalar(in, kind, codec);
    }
    for (;;) {
      if (open.empty()) return value;
      open.back().items.push_back(std::move(value));
      if (--open.back().missing > 0) break;
      value = close(std::move(open.back()));
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
