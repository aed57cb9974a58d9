#include <steward/core/value.hpp>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <ostream>

#include <fmt/format.h>

#include <steward/core/limits.hpp>

namespace steward {

struct Value::BytesNode {
  std::string data;
};

struct Value::ListNode {
  List items;
  std::size_t depth = 1;
  bool proxies = false;
};

struct Value::MapNode {
  Map entries;
  std::size_t depth = 1;
  bool proxies = false;
};

namespace {

template <class Node>
void note_child(Node& node, const Value& child) {
  node.depth = std::max(node.depth, child.depth() + 1);
  node.proxies = node.proxies || child.has_proxies();
}

// Entries in the order of their keys: what equality and order of maps are judged by.
std::vector<const std::pair<Value, Value>*> sorted(const Value::Map& entries) {
  std::vector<const std::pair<Value, Value>*> pointers;
  pointers.reserve(entries.size());
  for (const auto& entry : entries) pointers.push_back(&entry);
  std::ranges::sort(pointers, [](const auto* a, const auto* b) { return a->first < b->first; });
  return pointers;
}

template <class T>
std::strong_ordering three_way(const T& a, const T& b) {
  return a < b ? std::strong_ordering::less
               : (b < a ? std::strong_ordering::greater : std::strong_ordering::equal);
}

std::strong_ordering compare_reals(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return three_way(std::isnan(a), std::isnan(b));
  return three_way(a, b);
}

// Exact: a double that is not an integer, or lies beyond 64 bits, is never equal to one.
template <class Int>
std::strong_ordering compare_mixed(Int a, double b) {
  if (std::isnan(b)) return std::strong_ordering::less;
  const double limit = std::is_signed_v<Int> ? 0x1p63 : 0x1p64;
  if (b >= limit) return std::strong_ordering::less;
  if (b < (std::is_signed_v<Int> ? -0x1p63 : 0.0)) return std::strong_ordering::greater;
  const double whole = std::floor(b);
  const auto order = three_way(a, static_cast<Int>(whole));
  return order == 0 && whole < b ? std::strong_ordering::less : order;
}

std::strong_ordering reversed(std::strong_ordering order) { return 0 <=> order; }

struct CompareNumbers {
  std::strong_ordering operator()(std::int64_t a, std::int64_t b) const { return a <=> b; }
  std::strong_ordering operator()(std::uint64_t a, std::uint64_t b) const { return a <=> b; }
  // A uint64_t alternative is always above every int64_t.
  std::strong_ordering operator()(std::int64_t, std::uint64_t) const {
    return std::strong_ordering::less;
  }
  std::strong_ordering operator()(std::uint64_t, std::int64_t) const {
    return std::strong_ordering::greater;
  }
  std::strong_ordering operator()(double a, double b) const { return compare_reals(a, b); }
  std::strong_ordering operator()(std::int64_t a, double b) const { return compare_mixed(a, b); }
  std::strong_ordering operator()(std::uint64_t a, double b) const { return compare_mixed(a, b); }
  std::strong_ordering operator()(double a, std::int64_t b) const {
    return reversed(compare_mixed(b, a));
  }
  std::strong_ordering operator()(double a, std::uint64_t b) const {
    return reversed(compare_mixed(b, a));
  }
  template <class A, class B>
  std::strong_ordering operator()(const A&, const B&) const {
    return std::strong_ordering::equal;  // never reached: both are numbers
  }
};

std::strong_ordering compare_lists(const Value::List& a, const Value::List& b) {
  return std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(), b.end());
}

std::strong_ordering compare_maps(const Value::Map& a, const Value::Map& b) {
  const auto left = sorted(a);
  const auto right = sorted(b);
  return std::lexicographical_compare_three_way(
      left.begin(), left.end(), right.begin(), right.end(),
      [](const auto* x, const auto* y) -> std::strong_ordering {
        if (const auto order = x->first <=> y->first; order != 0) return order;
        return x->second <=> y->second;
      });
}

std::strong_ordering compare_references(const core::ReferencePtr& a, const core::ReferencePtr& b) {
  if (!a || !b) return three_way(bool{a}, bool{b});
  if (const auto order = a->token().incarnation <=> b->token().incarnation; order != 0) return order;
  return core::number(a->token().object) <=> core::number(b->token().object);
}

void append_real(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value < 0 ? "-Infinity" : "Infinity";
  } else {
    fmt::format_to(std::back_inserter(out), "{}", value);
    if (out.find_last_of(".e") == std::string::npos) out += ".0";
  }
}

void append_json(std::string& out, const Value& value);

void append_json_list(std::string& out, const Value::List& items) {
  out += '[';
  bool first = true;
  for (const Value& item : items) {
    if (!std::exchange(first, false)) out += ", ";
    append_json(out, item);
  }
  out += ']';
}

void append_json_map(std::string& out, const Value::Map& entries) {
  out += '{';
  bool first = true;
  for (const auto& [key, item] : entries) {
    if (!std::exchange(first, false)) out += ", ";
    append_json(out, key);
    out += ": ";
    append_json(out, item);
  }
  out += '}';
}

void append_json(std::string& out, const Value& value) {
  switch (value.kind()) {
    case ValueKind::nil: out += "null"; return;
    case ValueKind::boolean: out += value.boolean() ? "true" : "false"; return;
    case ValueKind::integer:
      out += value.is<std::int64_t>() ? std::to_string(value.integer())
                                      : std::to_string(value.natural());
      return;
    case ValueKind::real: {
      std::string text;
      append_real(text, value.real());
      out += text;
      return;
    }
    case ValueKind::string: core::append_json_string(out, value.string()); return;
    case ValueKind::bytes:
      out += "\"0x";
      for (const char byte : value.bytes()) {
        fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<unsigned char>(byte));
      }
      out += '"';
      return;
    case ValueKind::list: append_json_list(out, value.list()); return;
    case ValueKind::map: append_json_map(out, value.map()); return;
    case ValueKind::proxy:
      out += value.reference() ? core::representation(value.reference()->token()) : "<empty proxy>";
      return;
  }
}

}  // namespace

Value::Value(List items) {
  auto node = std::make_shared<ListNode>();
  for (const Value& item : items) note_child(*node, item);
  node->items = std::move(items);
  data_ = std::shared_ptr<const ListNode>(std::move(node));
}

Value Value::of_map(Map entries) {
  auto node = std::make_shared<MapNode>();
  for (const auto& [key, value] : entries) {
    note_child(*node, key);
    note_child(*node, value);
  }
  if (entries.size() > 1) {
    const auto order = sorted(entries);
    const auto twice = std::ranges::adjacent_find(
        order, [](const auto* a, const auto* b) { return a->first == b->first; });
    if (twice != order.end()) {
      throw BadCall("a map has the key " + (*twice)->first.json() + " twice");
    }
  }
  node->entries = std::move(entries);
  Value value;
  value.data_ = std::shared_ptr<const MapNode>(std::move(node));
  return value;
}

Value Value::of_bytes(std::string_view data) {
  Value value;
  value.data_ = std::make_shared<const BytesNode>(BytesNode{std::string(data)});
  return value;
}

Value Value::of_reference(core::ReferencePtr reference) {
  Value value;
  value.data_ = std::move(reference);
  return value;
}

ValueKind Value::kind() const {
  constexpr ValueKind kinds[] = {ValueKind::nil,     ValueKind::boolean, ValueKind::integer,
                                 ValueKind::integer, ValueKind::real,    ValueKind::string,
                                 ValueKind::bytes,   ValueKind::list,    ValueKind::map,
                                 ValueKind::proxy};
  return kinds[data_.index()];
}

std::string_view to_string(ValueKind kind) {
  constexpr std::string_view names[] = {"nil",   "bool", "integer", "real", "string",
                                        "bytes", "list", "map",     "proxy"};
  return names[static_cast<std::size_t>(kind)];
}

void Value::wrong_kind(std::string_view wanted) const {
  throw BadCall("expected " + std::string(wanted) + ", got " + std::string(to_string(kind())) +
                " " + json().substr(0, 80));
}

void Value::check_type(std::string_view wanted) const {
  const core::ReferencePtr& proxy = reference();
  if (proxy && proxy->token().type != wanted) {
    throw BadCall("expected a " + std::string(wanted) + " proxy, got " +
                  core::describe(proxy->token()));
  }
}

const std::string& Value::string() const {
  if (const auto* text = std::get_if<std::string>(&data_)) return *text;
  wrong_kind("a string");
}

std::string_view Value::bytes() const {
  if (const auto* node = std::get_if<std::shared_ptr<const BytesNode>>(&data_)) return (*node)->data;
  wrong_kind("bytes");
}

const Value::List& Value::list() const {
  if (const auto* node = std::get_if<std::shared_ptr<const ListNode>>(&data_)) return (*node)->items;
  wrong_kind("a list");
}

const Value::Map& Value::map() const {
  if (const auto* node = std::get_if<std::shared_ptr<const MapNode>>(&data_)) {
    return (*node)->entries;
  }
  wrong_kind("a map");
}

const core::ReferencePtr& Value::reference() const {
  if (const auto* pointer = std::get_if<core::ReferencePtr>(&data_)) return *pointer;
  wrong_kind("a proxy");
}

std::int64_t Value::integer() const {
  if (const auto* number = std::get_if<std::int64_t>(&data_)) return *number;
  wrong_kind("an integer of 64 bits");
}

std::uint64_t Value::natural() const {
  if (const auto* number = std::get_if<std::uint64_t>(&data_)) return *number;
  if (const auto* number = std::get_if<std::int64_t>(&data_); number != nullptr && *number >= 0) {
    return static_cast<std::uint64_t>(*number);
  }
  wrong_kind("a non-negative integer");
}

double Value::real() const {
  if (const auto* number = std::get_if<double>(&data_)) return *number;
  if (const auto* number = std::get_if<std::int64_t>(&data_)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<std::uint64_t>(&data_)) return static_cast<double>(*number);
  wrong_kind("a real");
}

bool Value::boolean() const {
  if (const auto* flag = std::get_if<bool>(&data_)) return *flag;
  wrong_kind("a bool");
}

std::size_t Value::depth() const {
  if (const auto* node = std::get_if<std::shared_ptr<const ListNode>>(&data_)) return (*node)->depth;
  if (const auto* node = std::get_if<std::shared_ptr<const MapNode>>(&data_)) return (*node)->depth;
  return 0;
}

bool Value::has_proxies() const {
  if (const auto* node = std::get_if<std::shared_ptr<const ListNode>>(&data_)) {
    return (*node)->proxies;
  }
  if (const auto* node = std::get_if<std::shared_ptr<const MapNode>>(&data_)) {
    return (*node)->proxies;
  }
  return std::holds_alternative<core::ReferencePtr>(data_);
}

std::strong_ordering Value::compare(const Value& other) const {
  const auto rank = [](ValueKind kind) { return kind == ValueKind::real ? ValueKind::integer : kind; };
  if (const auto order = rank(kind()) <=> rank(other.kind()); order != 0) return order;
  switch (kind()) {
    case ValueKind::nil: return std::strong_ordering::equal;
    case ValueKind::boolean: return boolean() <=> other.boolean();
    case ValueKind::integer:
    case ValueKind::real: return std::visit(CompareNumbers{}, data_, other.data_);
    case ValueKind::string: return string() <=> other.string();
    case ValueKind::bytes: return bytes() <=> other.bytes();
    case ValueKind::list: return compare_lists(list(), other.list());
    case ValueKind::map: return compare_maps(map(), other.map());
    case ValueKind::proxy: return compare_references(reference(), other.reference());
  }
  return std::strong_ordering::equal;
}

std::string Value::json() const {
  std::string out;
  append_json(out, *this);
  return out;
}

std::ostream& operator<<(std::ostream& out, const Value& value) { return out << value.json(); }

namespace core {

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

}  // namespace core
}  // namespace steward
