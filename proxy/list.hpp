// List<T>: Python's list, shared between processes.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

#include <steward/proxy/element_ref.hpp>
#include <steward/proxy/items.hpp>
#include <steward/proxy/proxy.hpp>
#include <steward/proxy/snapshot.hpp>

namespace steward {
namespace detail::proxy {

// The methods of a List under a call policy. Every one is a single step for all processes. Negative
// indexes count from the end; a missing index throws std::out_of_range; slices clamp as in Python.
// T may be an MSGPACK_DEFINE struct; a struct that travels as raw bytes cannot be sorted or
// searched.
template <class T, class Calls>
class ListMethods : public Calls {
 public:
  template <class R>
  using Result = typename Calls::template Result<R>;

  // What adds throws Overloaded past a limit (Limits::message_bytes, Limits::memory).
  Result<void> append(const T& value) const {
    return this->template call<void>(changing("append"), value);
  }
  // Throws BadCall for an integer of another type that does not fit T; nothing is added then.
  Result<void> extend(const Items<T>& items) const {
    return this->template call<void>(changing("extend"), items);
  }
  // Before the element at `index`; beyond the ends: at the end. Never throws out_of_range.
  Result<void> insert(Index index, const T& value) const {
    return this->template call<void>(changing("insert"), index, value);
  }
  // Removes an element and returns it. Throws std::out_of_range.
  Result<T> pop(Index index = -1) const {
    return this->template call<T>(changing("pop"), index);
  }
  // The first equal element; std::out_of_range if there is none.
  Result<void> remove(const T& value) const {
    return this->template call<void>(changing("remove"), compared(value));
  }
  // Where the first equal element is.
  Result<std::optional<std::size_t>> index(const T& value) const {
    return this->read_as(Maybe<As<std::size_t>>(), reading("index"), compared(value));
  }
  Result<std::size_t> count(const T& value) const {
    return this->template call<std::size_t>(reading("count"), compared(value));
  }
  Result<bool> contains(const T& value) const {
    return this->template call<bool>(reading("contains"), compared(value));
  }
  // Stable; by the order of Value.
  Result<void> sort(bool reverse = false) const {
    require_comparable<T>();
    return this->template call<void>(changing("sort"), reverse);
  }
  // There is no order but Value's: a comparator would be a `reverse` that is true.
  template <class F>
    requires(std::invocable<F, const T&, const T&> || std::is_pointer_v<std::decay_t<F>>)
  void sort(F&&) const {
    static_assert(kNever<F>,
                  "sort() takes no comparator, it goes by the order of Value: sort(true) is from "
                  "the largest; else take copy(), std::sort it, and set_slice() it under a Lock");
  }
  Result<void> reverse() const { return this->template call<void>(changing("reverse")); }
  Result<void> clear() const { return this->template call<void>(changing("clear")); }
  // All of it in one reply: throws Overloaded if that is larger than a message may be, as slice()
  // and range-for do.
  Result<std::vector<T>> copy() const {
    return this->read_as(ListOf<As<T>>(), reading("copy"));
  }
  Result<std::size_t> size() const { return this->template call<std::size_t>(reading("size")); }
  Result<bool> empty() const { return this->read_as(IsZero(), reading("size")); }
  // Throws std::out_of_range.
  Result<T> at(Index index) const { return this->template call<T>(reading("at"), index); }
  // Likewise. (An integer that does not fit T is converted as C++ does, before this sees it.)
  Result<void> set(Index index, const T& value) const {
    return this->template call<void>(changing("set"), index, value);
  }
  // Adds to a number, in one step, and returns the sum. Throws std::out_of_range; BadCall if the
  // sum does not fit T, or the element is no number.
  Result<T> add(Index index, Step<T> by) const {
    return this->template call<T>(changing("add"), index, by, least<T>(), greatest<T>());
  }
  // Python's x[begin:end:step]; std::nullopt for an end that is left out. BadCall if step is 0.
  Result<std::vector<T>> slice(Bound begin, Bound end, Index step = 1) const {
    return this->read_as(ListOf<As<T>>(), reading("slice"), begin, end, step);
  }
  // Replaces x[begin:end] by any number of items. Throws BadCall as extend() does.
  Result<void> set_slice(Bound begin, Bound end, const Items<T>& items) const {
    return this->template call<void>(changing("set_slice"), begin, end, items);
  }
  // Throws std::out_of_range.
  Result<void> erase(Index index) const {
    return this->template call<void>(changing("erase"), index);
  }
  // x[begin:end]
  Result<void> erase(Bound begin, Bound end) const {
    return this->template call<void>(changing("erase_slice"), begin, end);
  }

 protected:
  using Calls::Calls;
};

template <class T>
struct ListMethodsOf {
  template <class Calls>
  using Methods = ListMethods<T, Calls>;
};

}  // namespace detail::proxy

// A list in a manager, as Python's: `auto squares = manager.list<int>({0, 1, 4});`
//
// A proxy: a value that stands for the list and keeps it alive (see detail::proxy::ProxyOf for what
// all proxies can do, ListMethods for the methods). Thread safety: calls from any thread; each
// method is one atomic step for everybody. `for (int x : list)` walks over a snapshot.
template <class T = Value>
class List
    : public detail::proxy::ProxyOf<List<T>, detail::proxy::ListMethodsOf<T>::template Methods> {
 public:
  static constexpr std::string_view kType = "list";
  using value_type = T;

  // Reads when converted, writes when assigned, adds when += or ++; see detail::proxy::ElementRef.
  using Element = detail::proxy::ElementRef<List, detail::proxy::Index, T>;
  Element operator[](detail::proxy::Index index) const {
    return Element(typename Element::Made(), *this, index);
  }

  // Python's xs += items.
  const List& operator+=(const detail::proxy::Items<T>& items) const {
    this->extend(items);
    return *this;
  }

  // One call; what others change meanwhile is not seen.
  detail::proxy::SnapshotIterator<T> begin() const {
    return detail::proxy::SnapshotIterator<T>(this->copy());
  }
  std::default_sentinel_t end() const { return {}; }
};

}  // namespace steward
