// The class `dict`: Python's dict, plus the atomic add and the conditional sets.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <steward/core/value.hpp>
#include <steward/manager/server/class.hpp>
#include <steward/manager/server/classes/ordered_map.hpp>
#include <steward/manager/server/classes/texts.hpp>

namespace steward::detail::server {

// Keeps the order of insertion; overwriting a key keeps its place. Any Value is a key that is not
// NaN and has none inside; what would add one throws BadCall.
class DictObject final : public Object {
 public:
  // As update(), or nothing.
  DictObject(const Environment& environment, Arguments& arguments);
  DictObject(const Environment& environment, Loader& in);

  void set(Value key, Value value);
  Value setdefault(Value key, Value value);
  Value pop(const Value& key);
  std::optional<Value> try_pop(const Value& key);
  Value popitem(Call& call);  // the last
  // A map, or a list of pairs [key, value].
  void update(Value::Map entries);
  bool erase(const Value& key);
  void clear();
  // A missing key counts as 0.
  Value add(Value key, const Value& by, std::optional<Value> min, std::optional<Value> max);
  // Sets if the key is there and has the value expected.
  bool compare_exchange(const Value& key, const Value& expected, Value desired);
  // Likewise; `expected` is a list of none or one, none: the key must be missing.
  bool swap_if(Value key, std::vector<Value> expected, Value desired);

  Value at(const Value& key) const;
  std::optional<Value> get(const Value& key) const;
  bool contains(const Value& key) const;
  std::size_t size() const { return map_.size(); }
  Value keys() const;
  Value values() const;
  Value items() const;  // as a list of [key, value]
  std::string str(TextLimit limit) const;

  std::uint64_t changes() const override { return map_.changes(); }
  std::size_t bytes() const override { return map_.bytes(); }
  void save(Saver& out) const override;

 private:
  OrderedMap map_;
};

Class dict_class();

}  // namespace steward::detail::server
