#include <steward/manager/server/classes/dict.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

#include <steward/core/errors.hpp>
#include <steward/manager/server/answer_bytes.hpp>
#include <steward/manager/server/classes/numbers.hpp>
#include <steward/manager/server/classes/texts.hpp>

namespace steward::detail::server {
namespace {

constexpr std::uint64_t kDictSaveVersion = 1;

bool holds_nan(const Value& value) {
  switch (value.kind()) {
    case ValueKind::real: return std::isnan(value.real());
    case ValueKind::list: return std::ranges::any_of(value.list(), holds_nan);
    case ValueKind::map:
      return std::ranges::any_of(value.map(), [](const auto& entry) {
        return holds_nan(entry.first) || holds_nan(entry.second);
      });
    default: return false;
  }
}

// Of an entry that is to be. Here NaN is a number like others, but not to those who read the dict:
// in C++ it equals nothing, so that a std::map with such a key loses others, and in Python it is
// never found again.
void require_key(const Value& key) {
  if (holds_nan(key)) throw BadCall(brief(key) + " cannot be a key: NaN equals nothing");
}

Value pair_of(Value key, Value value) {
  Value::List pair;
  pair.reserve(2);
  pair.push_back(std::move(key));
  pair.push_back(std::move(value));
  return pair;
}

}  // namespace

DictObject::DictObject(const Environment& environment, Arguments& arguments)
    : map_(environment.seed) {
  if (auto entries = arguments.take<std::optional<Value::Map>>()) update(*std::move(entries));
}

DictObject::DictObject(const Environment& environment, Loader& in) : map_(environment.seed) {
  in.version(kDictSaveVersion);
  for (std::size_t left = in.reader().map(); left > 0; --left) {
    Value key = in.value();
    map_.set(std::move(key), in.value());
  }
}

void DictObject::set(Value key, Value value) {
  require_key(key);
  map_.set(std::move(key), std::move(value));
}

Value DictObject::setdefault(Value key, Value value) {
  require_key(key);
  return map_.find_or_set(std::move(key), std::move(value));
}

Value DictObject::pop(const Value& key) {
  if (auto value = map_.take(key)) return *std::move(value);
  throw core::OutOfRange(missing_key(key));
}

std::optional<Value> DictObject::try_pop(const Value& key) { return map_.take(key); }

// Key and value may have come in two messages, each as long as one may be: equal keys need not have
// the same bytes (1 and 1.0).
Value DictObject::popitem(Call& call) {
  if (map_.empty()) throw core::OutOfRange("the dict is empty");
  const OrderedMap::Entry& last = map_.last();
  Value pair = pair_of(last.key, last.value);
  require_answerable(pair, call.answer_bytes());
  map_.take_last();
  return pair;
}

void DictObject::update(Value::Map entries) {
  for (const auto& [key, value] : entries) require_key(key);
  for (auto& [key, value] : entries) map_.set(std::move(key), std::move(value));
}

bool DictObject::erase(const Value& key) { return map_.take(key).has_value(); }

void DictObject::clear() { map_.clear(); }

Value DictObject::add(Value key, const Value& by, std::optional<Value> min,
                      std::optional<Value> max) {
  require_key(key);
  const Bounds bounds{std::move(min), std::move(max)};
  Value sum;
  const bool there = map_.replace(key, [&](const Value& number) {
    return sum = server::add(number, by, bounds);
  });
  if (there) return sum;
  sum = server::add(Value(0), by, bounds);
  map_.set(std::move(key), sum);
  return sum;
}

bool DictObject::compare_exchange(const Value& key, const Value& expected, Value desired) {
  bool exchanged = false;
  map_.replace(key, [&](const Value& value) {
    exchanged = value == expected;
    return exchanged ? std::optional<Value>(std::move(desired)) : std::nullopt;
  });
  return exchanged;
}

bool DictObject::swap_if(Value key, std::vector<Value> expected, Value desired) {
  if (expected.size() > 1) throw BadCall("argument 2: expected a list of none or one");
  if (!expected.empty()) return compare_exchange(key, expected.front(), std::move(desired));
  if (map_.find(key) != nullptr) return false;
  require_key(key);
  map_.set(std::move(key), std::move(desired));
  return true;
}

Value DictObject::at(const Value& key) const {
  if (const Value* value = map_.find(key)) return *value;
  throw core::OutOfRange(missing_key(key));
}

std::optional<Value> DictObject::get(const Value& key) const {
  const Value* value = map_.find(key);
  return value == nullptr ? std::nullopt : std::optional<Value>(*value);
}

bool DictObject::contains(const Value& key) const { return map_.find(key) != nullptr; }

Value DictObject::keys() const {
  Value::List keys;
  keys.reserve(map_.size());
  map_.for_each([&](const Value& key, const Value&) { keys.push_back(key); });
  return keys;
}

Value DictObject::values() const {
  Value::List values;
  values.reserve(map_.size());
  map_.for_each([&](const Value&, const Value& value) { values.push_back(value); });
  return values;
}

Value DictObject::items() const {
  Value::List items;
  items.reserve(map_.size());
  map_.for_each(
      [&](const Value& key, const Value& value) { items.push_back(pair_of(key, value)); });
  return items;
}

std::string DictObject::str(TextLimit limit) const {
  MapPrinter printer(limit);
  map_.for_each([&](const Value& key, const Value& value) { printer.entry(key, value); });
  return std::move(printer).finish();
}

void DictObject::save(Saver& out) const {
  out.number(kDictSaveVersion);
  out.writer().map(map_.size());
  map_.for_each([&](const Value& key, const Value& value) {
    out.value(key);
    out.value(value);
  });
}

Class dict_class() {
  using D = DictObject;
  return {"dict",
          create<D>,
          {method<&D::at>("at"),
           method<&D::get>("get"),
           adding<&D::set>("set"),
           adding<&D::setdefault>("setdefault"),
           method<&D::pop>("pop"),
           method<&D::try_pop>("try_pop"),
           method<&D::popitem>("popitem"),
           adding<&D::update>("update"),
           method<&D::erase>("erase"),
           method<&D::keys>("keys"),
           method<&D::values>("values"),
           method<&D::items>("items"),
           method<&D::contains>("contains"),
           method<&D::size>("size"),
           method<&D::clear>("clear"),
           method<&D::items>("copy"),
           adding<&D::add>("add"),
           adding<&D::compare_exchange>("compare_exchange"),
           adding<&D::swap_if>("swap_if"),
           method<&D::str>("str")},
          load<D>};
}

}  // namespace steward::detail::server
