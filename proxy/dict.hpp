// Dict<K, V>: Python's dict, shared between processes.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <steward/proxy/element_ref.hpp>
#include <steward/proxy/items.hpp>
#include <steward/proxy/proxy.hpp>
#include <steward/proxy/snapshot.hpp>
#include <steward/proxy/update.hpp>

namespace steward {
namespace detail::proxy {

// The methods of a Dict under a call policy. Every one is a single step for all processes. Keys
// keep the order of their insertion; equal ones are one key, as 1 and 1.0, or 0.0 and -0.0, and the
// first spelling stays. NaN is no key: what would add one (set, setdefault, update, add,
// update_with) throws BadCall. Neither keys nor what is compared may be structs that travel as raw
// bytes.
template <class K, class V, class Calls>
class DictMethods : public Calls {
 public:
  template <class R>
  using Result = typename Calls::template Result<R>;
  using Item = std::pair<K, V>;

  // Throws std::out_of_range if the key is missing.
  Result<V> at(const K& key) const {
    return this->template call<V>(reading("at"), compared(key));
  }
  // nullopt: the key is missing.
  Result<std::optional<V>> get(const K& key) const {
    return this->read_as(Maybe<As<V>>(), reading("get"), compared(key));
  }
  Result<V> get(const K& key, V otherwise) const {
    return this->read_as(Or<As<V>>{std::move(otherwise)}, reading("get"), compared(key));
  }
  // Adds or overwrites; an overwritten key keeps its place.
  Result<void> set(const K& key, const V& value) const {
    return this->template call<void>(changing("set"), compared(key), value);
  }
  // What is there, or `value`, which is there from now on.
  Result<V> setdefault(const K& key, const V& value) const {
    return this->template call<V>(changing("setdefault"), compared(key), value);
  }
  // Removes a key and returns its value. Throws std::out_of_range if it is missing.
  Result<V> pop(const K& key) const {
    return this->template call<V>(changing("pop"), compared(key));
  }
  Result<V> pop(const K& key, V otherwise) const {
    return this->read_as(Or<As<V>>{std::move(otherwise)}, changing("try_pop"), compared(key));
  }
  // Removes the item that was inserted last. Throws std::out_of_range if there is none.
  Result<Item> popitem() const {
    return this->read_as(PairOf<As<K>, As<V>>(), changing("popitem"));
  }
  // As set() for each item in their order, in one step: of equal keys the last one counts. If a key
  // is refused nothing is done. Throws BadCall for an integer that does not fit K or V, as those
  // that take items all do.
  Result<void> update(const Items<Item>& items) const {
    return this->template call<void>(changing("update"), entries(items));
  }
  // Whether the key was there.
  Result<bool> erase(const K& key) const {
    return this->template call<bool>(changing("erase"), compared(key));
  }
  // The key only, not the value.
  Result<bool> contains(const K& key) const {
    return this->template call<bool>(reading("contains"), compared(key));
  }
  // In order of insertion, as values() and items().
  Result<std::vector<K>> keys() const {
    require_comparable<K>();
    return this->read_as(ListOf<As<K>>(), reading("keys"));
  }
  Result<std::vector<V>> values() const {
    return this->read_as(ListOf<As<V>>(), reading("values"));
  }
  Result<std::vector<Item>> items() const {
    require_comparable<K>();
    return this->read_as(ListOf<PairOf<As<K>, As<V>>>(), reading("items"));
  }
  // All of it in one reply, sorted by K: throws Overloaded if that is larger than a message may be
  // (Limits::message_bytes), as keys(), values(), items() and range-for do.
  Result<std::map<K, V>> copy() const {
    require_comparable<K>();
    return this->read_as(MapOf<K, V>(), reading("items"));
  }
  Result<std::size_t> size() const { return this->template call<std::size_t>(reading("size")); }
  Result<bool> empty() const { return this->read_as(IsZero(), reading("size")); }
  // Proxies among the keys and values are given back: their objects are destroyed if nobody else
  // refers to them.
  Result<void> clear() const { return this->template call<void>(changing("clear")); }

  // Adds to a number, in one step, and returns the sum; a missing key counts as 0. Throws BadCall
  // if the sum does not fit V, or the value is no number.
  Result<V> add(const K& key, Step<V> by) const {
    return this->template call<V>(changing("add"), compared(key), by, least<V>(), greatest<V>());
  }
  // Sets the key to `desired` if it is there and its value equals `expected`; else says false.
  Result<bool> compare_exchange(const K& key, const V& expected, const V& desired) const {
    return this->template call<bool>(changing("compare_exchange"), compared(key),
                                     compared(expected), desired);
  }

 protected:
  using Calls::Calls;
};

template <class K, class V>
struct DictMethodsOf {
  template <class Calls>
  using Methods = DictMethods<K, V, Calls>;
};

}  // namespace detail::proxy

// A dict in a manager, as Python's: `auto ages = manager.dict<std::string, int>({{"ada", 36}});`
//
// A proxy: a value that stands for the dict and keeps it alive (see detail::proxy::ProxyOf for what
// all proxies can do, DictMethods for the methods). Thread safety: calls from any thread; each
// method is one atomic step for everybody. `for (auto& [key, value] : dict)` walks over a snapshot,
// in order of insertion.
template <class K = Value, class V = Value>
class Dict : public detail::proxy::ProxyOf<Dict<K, V>,
                                           detail::proxy::DictMethodsOf<K, V>::template Methods> {
 public:
  static constexpr std::string_view kType = "dict";
  using value_type = std::pair<K, V>;

  // Reads when converted (std::out_of_range if missing), writes when assigned, adds when += or ++;
  // see detail::proxy::ElementRef.
  using Element = detail::proxy::ElementRef<Dict, K, V>;
  Element operator[](const K& key) const { return Element(typename Element::Made(), *this, key); }

  // Replaces the value under the key by f(value), and returns the new one. f takes a V, which is
  // V{} if the key is missing, or a std::optional<V>; its result is converted to V. An f that takes
  // V& may change the value in place and return nothing. If somebody
  // else writes in between, f is called again with what is there then: it must have no other
  // effect. What f throws passes through, and nothing is changed.
  template <class F>
  V update_with(const K& key, F&& f) const {
    const detail::core::Deadline end = this->deadline();
    for (;;) {
      const Dict self = end ? this->with_timeout(*end - std::chrono::steady_clock::now()) : *this;
      const auto current = self.read_as(detail::proxy::Original<V>(), detail::proxy::reading("get"),
                                        detail::proxy::compared(key));
      V desired = detail::proxy::updated<V>(f, current.value);
      const detail::proxy::MaybeEncoded expected{current.expected()};
      if (self.template call<bool>(detail::proxy::changing("swap_if"), detail::proxy::compared(key),
                                   expected, desired)) {
        return desired;
      }
    }
  }

  // One call; what others change meanwhile is not seen.
  detail::proxy::SnapshotIterator<value_type> begin() const {
    return detail::proxy::SnapshotIterator<value_type>(this->items());
  }
  std::default_sentinel_t end() const { return {}; }
};

}  // namespace steward
