#include <steward/manager/server/classes/list.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

#include <steward/core/errors.hpp>
#include <steward/manager/server/classes/numbers.hpp>
#include <steward/manager/server/classes/slices.hpp>
#include <steward/manager/server/classes/texts.hpp>

namespace steward::detail::server {
namespace {

constexpr std::uint64_t kListSaveVersion = 1;

}  // namespace

ListObject::ListObject(const Environment&, Arguments& arguments) {
  if (auto items = arguments.take<std::optional<std::vector<Value>>>()) extend(std::move(*items));
}

ListObject::ListObject(const Environment&, Loader& in) {
  in.version(kListSaveVersion);
  in.each([&] { append(in.value()); });
}

std::size_t ListObject::position(std::int64_t index) const {
  const auto size = static_cast<std::int64_t>(items_.size());
  const std::int64_t at = index < 0 ? index + size : index;
  if (at < 0 || at >= size) throw core::OutOfRange(index_out_of_range(index, items_.size()));
  return static_cast<std::size_t>(at);
}

void ListObject::replace(Value& item, Value by) {
  bytes_ += by.footprint();
  bytes_ -= item.footprint();
  item = std::move(by);
  ++changes_;
}

void ListObject::erase_items(std::size_t begin, std::size_t count) {
  if (count == 0) return;
  ++changes_;
  const auto first = iterator(begin);
  const auto last = iterator(begin + count);
  std::for_each(first, last, [&](const Value& item) { bytes_ -= item.footprint(); });
  items_.erase(first, last);
}

void ListObject::append(Value item) {
  items_.push_back(std::move(item));
  bytes_ += items_.back().footprint();
  ++changes_;
}

void ListObject::extend(std::vector<Value> items) {
  if (items.empty()) return;
  const std::size_t added = impl::footprint(items);
  items_.insert(items_.end(), std::move_iterator(items.begin()), std::move_iterator(items.end()));
  bytes_ += added;
  ++changes_;
}

void ListObject::insert(std::int64_t index, Value item) {
  const auto size = static_cast<std::int64_t>(items_.size());
  const std::int64_t at = std::clamp<std::int64_t>(index < 0 ? index + size : index, 0, size);
  const std::size_t added = item.footprint();
  items_.insert(iterator(static_cast<std::size_t>(at)), std::move(item));
  bytes_ += added;
  ++changes_;
}

Value ListObject::pop(std::optional<std::int64_t> index) {
  if (items_.empty()) throw core::OutOfRange("pop from an empty list");
  const auto size = static_cast<std::int64_t>(items_.size());
  std::int64_t at = index.value_or(-1);
  if (at < 0) at += size;
  if (at < 0 || at >= size) throw core::OutOfRange("pop index out of range");
  Value item = *iterator(static_cast<std::size_t>(at));
  erase_items(static_cast<std::size_t>(at), 1);
  return item;
}

void ListObject::remove(const Value& item) {
  const auto found = index(item);
  if (!found) throw core::OutOfRange(brief(item) + " is not in the list");
  erase_items(static_cast<std::size_t>(*found), 1);
}

void ListObject::reverse() {
  if (items_.size() < 2) return;
  std::ranges::reverse(items_);
  ++changes_;
}

// A new deque gives the memory back.
void ListObject::clear() {
  if (!items_.empty()) ++changes_;
  items_ = {};
  bytes_ = 0;
}

void ListObject::sort(std::optional<bool> reverse) {
  if (items_.size() < 2) return;
  ++changes_;
  if (reverse.value_or(false)) {
    std::stable_sort(items_.begin(), items_.end(),
                     [](const Value& a, const Value& b) { return b < a; });
  } else {
    std::stable_sort(items_.begin(), items_.end());
  }
}

void ListObject::set(std::int64_t index, Value item) {
  replace(items_[position(index)], std::move(item));
}

Value ListObject::add(std::int64_t index, const Value& by, std::optional<Value> min,
                      std::optional<Value> max) {
  Value& item = items_[position(index)];
  replace(item, server::add(item, by, {std::move(min), std::move(max)}));
  return item;
}

void ListObject::set_slice(std::optional<std::int64_t> begin, std::optional<std::int64_t> end,
                           std::vector<Value> items) {
  const Slice slice = resolve_slice(begin, end, 1, items_.size());
  const std::size_t common = std::min(slice.count, items.size());
  const std::vector<Value> rest(items.begin() + static_cast<std::ptrdiff_t>(common), items.end());
  for (std::size_t i = 0; i < common; ++i) replace(*iterator(slice.begin + i), std::move(items[i]));
  if (slice.count > common) return erase_items(slice.begin + common, slice.count - common);
  if (rest.empty()) return;
  items_.insert(iterator(slice.begin + common), rest.begin(), rest.end());
  bytes_ += impl::footprint(rest);
  ++changes_;
}

void ListObject::erase(std::int64_t index) { erase_items(position(index), 1); }

void ListObject::erase_slice(std::optional<std::int64_t> begin, std::optional<std::int64_t> end) {
  const Slice slice = resolve_slice(begin, end, 1, items_.size());
  erase_items(slice.begin, slice.count);
}

bool ListObject::contains(const Value& item) const { return index(item).has_value(); }

std::optional<std::uint64_t> ListObject::index(const Value& item) const {
  const auto found = std::ranges::find(items_, item);
  if (found == items_.end()) return std::nullopt;
  return static_cast<std::uint64_t>(found - items_.begin());
}

std::uint64_t ListObject::count(const Value& item) const {
  return static_cast<std::uint64_t>(std::ranges::count(items_, item));
}

Value ListObject::at(std::int64_t index) const { return items_[position(index)]; }

Value ListObject::slice(std::optional<std::int64_t> begin, std::optional<std::int64_t> end,
                        std::optional<std::int64_t> step) const {
  const Slice slice = resolve_slice(begin, end, step.value_or(1), items_.size());
  Value::List items;
  items.reserve(slice.count);
  for (std::size_t i = 0; i < slice.count; ++i) items.push_back(items_[slice.position(i)]);
  return items;
}

Value ListObject::copy() const { return Value::List(items_.begin(), items_.end()); }

std::string ListObject::str(TextLimit limit) const {
  ListPrinter printer(limit);
  for (const Value& item : items_) {
    if (printer.full()) break;
    printer.item(item);
  }
  return std::move(printer).finish();
}

void ListObject::save(Saver& out) const {
  out.number(kListSaveVersion);
  out.each(items_, [&](const Value& item) { out.value(item); });
}

Class list_class() {
  using L = ListObject;
  return {"list",
          create<L>,
          {adding<&L::append>("append"),
           adding<&L::extend>("extend"),
           adding<&L::insert>("insert"),
           method<&L::pop>("pop"),
           method<&L::remove>("remove"),
           method<&L::index>("index"),
           method<&L::count>("count"),
           method<&L::sort>("sort"),
           method<&L::reverse>("reverse"),
           method<&L::clear>("clear"),
           method<&L::copy>("copy"),
           method<&L::size>("size"),
           method<&L::contains>("contains"),
           method<&L::at>("at"),
           adding<&L::set>("set"),
           method<&L::add>("add"),
           method<&L::slice>("slice"),
           adding<&L::set_slice>("set_slice"),
           method<&L::erase>("erase"),
           method<&L::erase_slice>("erase_slice"),
           method<&L::str>("str")},
          load<L>};
}

}  // namespace steward::detail::server
