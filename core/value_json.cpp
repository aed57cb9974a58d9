// Values as text for people: spaced JSON, and how proxies represent themselves.
#include <cctype>
#include <cmath>
#include <ostream>

#include <fmt/format.h>

#include <steward/core/text.hpp>
#include <steward/core/value.hpp>

namespace steward {
namespace {

// Prints until `limit` bytes are there, and then a little more at most.
class Json {
 public:
  explicit Json(std::size_t limit) : limit_(limit) {}

  void value(const Value& value) {
    switch (value.kind()) {
      case ValueKind::nil: out_ += "null"; return;
      case ValueKind::boolean: out_ += value.boolean() ? "true" : "false"; return;
      case ValueKind::integer: integer(value); return;
      case ValueKind::real: real(value.real()); return;
      case ValueKind::string: string(value.string()); return;
      case ValueKind::bytes: bytes(value.bytes()); return;
      case ValueKind::list: list(value.list()); return;
      case ValueKind::map: map(value.map()); return;
      case ValueKind::proxy: proxy(value.reference()); return;
    }
  }
  bool full() const { return out_.size() > limit_; }
  std::string take() { return std::move(out_); }

 private:
  void integer(const Value& value) {
    out_ += value.is<std::int64_t>() ? std::to_string(value.integer())
                                     : std::to_string(value.natural());
  }

  void real(double value) {
    if (std::isnan(value)) {
      out_ += "NaN";
    } else if (std::isinf(value)) {
      out_ += value < 0 ? "-Infinity" : "Infinity";
    } else {
      const std::string text = fmt::format("{}", value);
      out_ += text;
      if (text.find_first_of(".e") == std::string::npos) out_ += ".0";
    }
  }

  void string(std::string_view text) {
    // One byte more than fits, so that what is cut is seen to be.
    detail::core::append_json_string(out_, text.substr(0, limit_ == npos ? npos : limit_ + 1));
  }

  void bytes(std::string_view data) {
    out_ += "\"0x";
    for (const char byte : data) {
      if (full()) return;
      fmt::format_to(std::back_inserter(out_), "{:02x}", static_cast<unsigned char>(byte));
    }
    out_ += '"';
  }

  void list(const Value::List& items) {
    out_ += '[';
    bool first = true;
    for (const Value& item : items) {
      if (full()) return;
      if (!std::exchange(first, false)) out_ += ", ";
      value(item);
    }
    out_ += ']';
  }

  void map(const Value::Map& entries) {
    out_ += '{';
    bool first = true;
    for (const auto& [key, item] : entries) {
      if (full()) return;
      if (!std::exchange(first, false)) out_ += ", ";
      value(key);
      out_ += ": ";
      value(item);
    }
    out_ += '}';
  }

  void proxy(const detail::core::ReferencePtr& reference) {
    out_ += reference ? detail::core::representation(reference->token()) : "<empty proxy>";
  }

  static constexpr std::size_t npos = std::string::npos;
  const std::size_t limit_;
  std::string out_;
};

}  // namespace

std::string Value::json() const {
  Json json(std::string::npos);
  json.value(*this);
  return json.take();
}

std::ostream& operator<<(std::ostream& out, const Value& value) { return out << value.json(); }

namespace detail::core {

std::string json_prefix(const Value& value, std::size_t limit) {
  Json json(limit);
  json.value(value);
  const bool all = !json.full();
  std::string text = json.take();
  return all ? text : std::string(cut(text, limit)) + "...";
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char letter : text) {
    switch (letter) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(letter) < 0x20) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(letter));
        } else {
          out += letter;
        }
    }
  }
  out += '"';
}

std::string representation(const Token& token) {
  std::string name = token.type;
  if (!name.empty()) name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
  return fmt::format("<{}Proxy object, typeid '{}' at {:#x}>", name, token.type,
                     number(token.object));
}

}  // namespace detail::core
}  // namespace steward
