// The class `list`: Python's list, plus the atomic add.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <steward/core/value.hpp>
#include <steward/manager/server/class.hpp>
#include <steward/manager/server/classes/texts.hpp>

namespace steward::detail::server {

// Indexes count from the end if negative, slices clamp, insert clamps: all as in Python.
class ListObject final : public Object {
 public:
  // [[items...]], or nothing.
  ListObject(const Environment& environment, Arguments& arguments);
  ListObject(const Environment& environment, Loader& in);

  void append(Value item);
  void extend(std::vector<Value> items);
  void insert(std::int64_t index, Value item);
  Value pop(std::optional<std::int64_t> index);  // the last by default
  void remove(const Value& item);
  void reverse();
  void clear();
  // Stable: equal items keep their order, also when it is reversed.
  void sort(std::optional<bool> reverse);
  void set(std::int64_t index, Value item);
  Value add(std::int64_t index, const Value& by, std::optional<Value> min,
            std::optional<Value> max);
  void set_slice(std::optional<std::int64_t> begin, std::optional<std::int64_t> end,
                 std::vector<Value> items);
  void erase(std::int64_t index);
  void erase_slice(std::optional<std::int64_t> begin, std::optional<std::int64_t> end);

  std::size_t size() const { return items_.size(); }
  bool contains(const Value& item) const;
  std::optional<std::uint64_t> index(const Value& item) const;
  std::uint64_t count(const Value& item) const;
  Value at(std::int64_t index) const;
  Value slice(std::optional<std::int64_t> begin, std::optional<std::int64_t> end,
              std::optional<std::int64_t> step) const;
  Value copy() const;
  std::string str(TextLimit limit) const;

  std::uint64_t changes() const override { return changes_; }
  std::size_t bytes() const override { return bytes_; }
  void save(Saver& out) const override;

 private:
  // Where an index points to; throws OutOfRange.
  std::size_t position(std::int64_t index) const;
  std::deque<Value>::iterator iterator(std::size_t position) {
    return items_.begin() + static_cast<std::ptrdiff_t>(position);
  }
  void replace(Value& item, Value by);
  // `count` items from `begin` on.
  void erase_items(std::size_t begin, std::size_t count);

  // A deque and not a vector, because one loop serves everybody: the longest call counts more than
  // the mean. Taking from or putting to the front of a million items is constant here and shifts 40
  // MB in a vector; growing never moves what is there. An index costs a division more, which is
  // nothing beside decoding the call. The price is half a kilobyte for an empty list.
  std::deque<Value> items_;
  std::size_t bytes_ = 0;  // of all items
  std::uint64_t changes_ = 0;
};

Class list_class();

}  // namespace steward::detail::server
