#include <steward/core/value.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include <steward/core/limits.hpp>

namespace steward {
namespace {

// For error texts.
std::string brief(const Value& value) { return detail::core::json_prefix(value, 80); }

// What Value::footprint counts: a value with its share of the container that it is in, and an
// allocation of its own. Rounded up, so that they hold for other libraries and allocators too.
constexpr std::size_t kValueBytes = 64;
constexpr std::size_t kNodeBytes = 64;
constexpr std::size_t kMostBytes = std::numeric_limits<std::size_t>::max() / 2;

}  // namespace

struct Value::BytesNode {
  std::string data;
};

struct Value::Nesting {
  std::size_t depth = 1;
  std::size_t footprint = kNodeBytes;
  bool proxies = false;

  void note(const Value& child) {
    depth = std::max(depth, child.depth() + 1);
    // What shares its parts again and again may count more bytes than there are numbers.
    const std::size_t bytes = child.footprint();
    footprint = bytes > kMostBytes - footprint ? kMostBytes : footprint + bytes;
    proxies = proxies || child.has_proxies();
  }
  // Whatever walks through a value, its destructor too, is recursive: so nothing deeper is made.
  void check() const {
    if (depth > detail::core::kFrameDepth) {
      throw BadCall("a value is nested more than " + std::to_string(detail::core::kFrameDepth) +
                    " deep");
    }
  }
};

struct Value::ListNode {
  List items;
  Nesting nesting;
};

struct Value::MapNode {
  Map entries;
  Nesting nesting;
  // Places of the entries in the order of their keys, by which maps are compared; empty if they
  // stand so already. Kept, because to sort at every comparison is ruinous where maps are keys.
  std::vector<std::size_t> order;

  const std::pair<Value, Value>& ranked(std::size_t rank) const {
    return entries[order.empty() ? rank : order[rank]];
  }
  void sort() {
    const auto key = [this](std::size_t place) -> const Value& { return entries[place].first; };
    const auto falls = [](const auto& a, const auto& b) { return a.first >= b.first; };
    if (std::ranges::adjacent_find(entries, falls) == entries.end()) return;
    order.resize(entries.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, {}, key);
    const auto twice = std::ranges::adjacent_find(order, {}, key);
    if (twice != order.end()) throw BadCall("a map has the key " + brief(key(*twice)) + " twice");
  }
  std::strong_ordering compare(const MapNode& other) const {
    if (this == &other) return std::strong_ordering::equal;
    const std::size_t common = std::min(entries.size(), other.entries.size());
    for (std::size_t rank = 0; rank < common; ++rank) {
      if (const auto sign = ranked(rank) <=> other.ranked(rank); sign != 0) return sign;
    }
    return entries.size() <=> other.entries.size();
  }
};

Value::Value(const Value& other) = default;
Value& Value::operator=(const Value& other) = default;
Value::Value(Value&& other) noexcept : data_(std::move(other.data_)) {
  other.data_.emplace<std::monostate>();
}
Value& Value::operator=(Value&& other) noexcept {
  if (this == &other) return *this;
  data_ = std::move(other.data_);
  other.data_.emplace<std::monostate>();
  return *this;
}
Value::~Value() = default;

namespace {

// Of empty values a message may hold one for each byte: they share a node, which is never freed,
// and whose users nobody counts.
template <class Node>
std::shared_ptr<const Node> empty_node() {
  static const Node* const node = new Node{};
  return {std::shared_ptr<const Node>(), node};
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
  if (&a == &b) return std::strong_ordering::equal;
  return std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(), b.end());
}

std::strong_ordering compare_references(const detail::core::ReferencePtr& a,
                                        const detail::core::ReferencePtr& b) {
  if (!a || !b) return three_way(bool{a}, bool{b});
  const detail::core::Token& left = a->token();
  const detail::core::Token& right = b->token();
  if (const auto order = left.incarnation <=> right.incarnation; order != 0) return order;
  return left.object <=> right.object;
}

}  // namespace

Value::Value(const char* text) {
  if (text == nullptr) throw BadCall("a null pointer is no text");
  data_ = std::string(text);
}

Value::Value(List items) {
  if (items.empty()) {
    data_ = empty_node<ListNode>();
    return;
  }
  auto node = std::make_shared<ListNode>();
  for (const Value& item : items) node->nesting.note(item);
  node->nesting.check();
  node->items = std::move(items);
  data_ = std::shared_ptr<const ListNode>(std::move(node));
}

Value Value::of_map(Map entries) {
  Value value;
  if (entries.empty()) {
    value.data_ = empty_node<MapNode>();
    return value;
  }
  auto node = std::make_shared<MapNode>();
  for (const auto& [key, value] : entries) {
    node->nesting.note(key);
    node->nesting.note(value);
  }
  node->nesting.check();
  node->entries = std::move(entries);
  node->sort();
  value.data_ = std::shared_ptr<const MapNode>(std::move(node));
  return value;
}

Value Value::of_bytes(std::string_view data) {
  Value value;
  value.data_ = data.empty() ? empty_node<BytesNode>()
                             : std::make_shared<const BytesNode>(BytesNode{std::string(data)});
  return value;
}

Value Value::of_reference(detail::core::ReferencePtr reference) {
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
  const std::string shown = is_nil() ? "" : " " + brief(*this);
  throw BadCall("expected " + std::string(wanted) + ", got " + std::string(to_string(kind())) +
                shown);
}

void Value::does_not_fit(std::string_view wanted) const {
  throw BadCall("the number " + json() + " does not fit " + std::string(wanted));
}

void Value::check_type(std::string_view wanted) const {
  const detail::core::ReferencePtr& proxy = reference();
  if (proxy && !detail::core::fits(proxy->token(), wanted)) {
    throw BadCall("expected a " + std::string(wanted) + " proxy, got " +
                  detail::core::describe(proxy->token()));
  }
}

const std::string& Value::string() const {
  if (const auto* text = std::get_if<std::string>(&data_)) return *text;
  wrong_kind("a string");
}

std::string_view Value::bytes() const {
  if (const auto* node = std::get_if<std::shared_ptr<const BytesNode>>(&data_)) {
    return (*node)->data;
  }
  wrong_kind("bytes");
}

const Value::List& Value::list() const {
  if (const auto* node = std::get_if<std::shared_ptr<const ListNode>>(&data_)) {
    return (*node)->items;
  }
  wrong_kind("a list");
}

const Value::Map& Value::map() const {
  if (const auto* node = std::get_if<std::shared_ptr<const MapNode>>(&data_)) {
    return (*node)->entries;
  }
  wrong_kind("a map");
}

const detail::core::ReferencePtr& Value::reference() const {
  if (const auto* pointer = std::get_if<detail::core::ReferencePtr>(&data_)) return *pointer;
  wrong_kind("a proxy");
}

std::int64_t Value::integer() const {
  if (const auto* number = std::get_if<std::int64_t>(&data_)) return *number;
  if (std::holds_alternative<std::uint64_t>(data_))
    does_not_fit(detail::core::kIntegerName<std::int64_t>);
  wrong_kind("an integer");
}

std::uint64_t Value::natural() const {
  if (const auto* number = std::get_if<std::uint64_t>(&data_)) return *number;
  if (const auto* number = std::get_if<std::int64_t>(&data_); number != nullptr && *number >= 0) {
    return static_cast<std::uint64_t>(*number);
  }
  if (std::holds_alternative<std::int64_t>(data_))
    does_not_fit(detail::core::kIntegerName<std::uint64_t>);
  wrong_kind("an integer");
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

const Value::Nesting* Value::nesting() const {
  if (const auto* node = std::get_if<std::shared_ptr<const ListNode>>(&data_)) {
    return &(*node)->nesting;
  }
  if (const auto* node = std::get_if<std::shared_ptr<const MapNode>>(&data_)) {
    return &(*node)->nesting;
  }
  return nullptr;
}

std::size_t Value::depth() const {
  const Nesting* inside = nesting();
  return inside != nullptr ? inside->depth : 0;
}

bool Value::has_proxies() const {
  const Nesting* inside = nesting();
  return inside != nullptr ? inside->proxies
                           : std::holds_alternative<detail::core::ReferencePtr>(data_);
}

std::size_t Value::footprint() const {
  if (const Nesting* inside = nesting()) return kValueBytes + inside->footprint;
  if (const auto* text = std::get_if<std::string>(&data_)) return kValueBytes + text->size();
  if (const auto* node = std::get_if<std::shared_ptr<const BytesNode>>(&data_)) {
    return kValueBytes + kNodeBytes + (*node)->data.size();
  }
  return kValueBytes;
}

std::strong_ordering Value::compare(const Value& other) const {
  const auto rank = [](ValueKind kind) {
    return kind == ValueKind::real ? ValueKind::integer : kind;
  };
  if (const auto order = rank(kind()) <=> rank(other.kind()); order != 0) return order;
  switch (kind()) {
    case ValueKind::nil: return std::strong_ordering::equal;
    case ValueKind::boolean: return boolean() <=> other.boolean();
    case ValueKind::integer:
    case ValueKind::real: return std::visit(CompareNumbers{}, data_, other.data_);
    case ValueKind::string: return string() <=> other.string();
    case ValueKind::bytes: return bytes() <=> other.bytes();
    case ValueKind::list: return compare_lists(list(), other.list());
    case ValueKind::map:
      return std::get<std::shared_ptr<const MapNode>>(data_)->compare(
          *std::get<std::shared_ptr<const MapNode>>(other.data_));
    case ValueKind::proxy: return compare_references(reference(), other.reference());
  }
  return std::strong_ordering::equal;
}

}  // namespace steward
