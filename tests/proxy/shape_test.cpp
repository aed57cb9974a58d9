// What compiles and what does not, where no message matters. (Messages: compile_fail.cpp.)
#include <chrono>
#include <concepts>
#include <functional>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <ostream>
#include <ranges>
#include <string>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include <steward/proxy/dict.hpp>
#include <steward/proxy/list.hpp>
#include <steward/proxy/lock.hpp>
#include <steward/proxy/queue.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

struct Packed {
  int a = 0;
  MSGPACK_DEFINE(a)
};
struct Raw {
  char small;
  double large;
};
// A class may hold proxies of itself.
struct Node {
  List<Node> children;
  Dict<std::string, Node> named;
  Queue<Node> waiting;
  MSGPACK_DEFINE(children, named, waiting)
};

template <class P>
concept Proxy = core::ProxyType<P> && std::regular<P> && core::Packable<P> &&
                std::convertible_to<P, Value> && !std::convertible_to<P, bool> &&
                requires(const P& p, std::ostream& out) {
                  static_cast<bool>(p);
                  { out << p } -> std::same_as<std::ostream&>;
                  { repr(p) } -> std::same_as<std::string>;
                  { p.with_timeout(2s) } -> std::same_as<P>;
                  { p.handle() } -> std::same_as<Handle>;
                  { std::hash<P>()(p) } -> std::same_as<std::size_t>;
                  { open<P>("text") } -> std::same_as<P>;
                  { open<P>("text", ConnectOptions{.key = "k"}) } -> std::same_as<P>;
                  { open<P>(p.handle()) } -> std::same_as<P>;
                };

static_assert(Proxy<List<int>> && Proxy<List<>> && Proxy<List<Packed>> && Proxy<List<Node>>);
static_assert(Proxy<Dict<std::string, int>> && Proxy<Dict<>>);
static_assert(Proxy<Queue<int>> && Proxy<Queue<>> && Proxy<Lock> && Proxy<RLock>);
static_assert(std::same_as<List<>, List<Value>> && std::same_as<Dict<>, Dict<Value, Value>>);
static_assert(std::regular<Handle> && std::totally_ordered<Handle> && core::Packable<Handle>);
// A text is no handle until it is opened.
static_assert(!std::convertible_to<std::string, Handle>);

static_assert(std::is_nothrow_destructible_v<List<int>>);

// Ranges, but no containers.
static_assert(std::ranges::input_range<const List<int>> && std::ranges::input_range<List<>>);
static_assert(std::ranges::input_range<const Dict<std::string, int>>);
static_assert(std::ranges::input_range<const Queue<std::string>>);
static_assert(std::ranges::input_range<List<bool>>);
static_assert(std::same_as<std::ranges::range_value_t<Dict<int, bool>>, std::pair<int, bool>>);
static_assert(std::same_as<decltype(std::declval<List<int>>().end()), std::default_sentinel_t>);
template <class P>
concept HasConstIterator = requires { typename P::const_iterator; };
static_assert(!HasConstIterator<List<int>> && !HasConstIterator<Queue<int>>);

// What the standard asks of a lock, of a const one too.
template <class L>
concept TimedLockable = requires(L& lock, std::chrono::steady_clock::time_point end) {
  { lock.lock() } -> std::same_as<void>;
  { lock.unlock() } -> std::same_as<void>;
  { lock.try_lock() } -> std::same_as<bool>;
  { lock.try_lock_for(1ms) } -> std::same_as<bool>;
  { lock.try_lock_for(std::chrono::duration<double>(0.5)) } -> std::same_as<bool>;
  { lock.try_lock_until(end) } -> std::same_as<bool>;
  { lock.try_lock_until(std::chrono::system_clock::now()) } -> std::same_as<bool>;
};
static_assert(TimedLockable<Lock> && TimedLockable<const Lock>);
static_assert(TimedLockable<RLock> && TimedLockable<const RLock>);

template <class L>
concept LocksAsPython = requires(const L& lock) {
  { lock.acquire() } -> std::same_as<bool>;
  { lock.acquire(1s) } -> std::same_as<bool>;
  { lock.release() } -> std::same_as<void>;
  { lock.locked() } -> std::same_as<bool>;
  { lock.token() } -> std::same_as<std::uint64_t>;
  { lock.previous_owner_died() } -> std::same_as<bool>;
  { lock.reset() } -> std::same_as<void>;
};
static_assert(LocksAsPython<Lock> && LocksAsPython<RLock>);
static_assert(LockOptions{}.on_owner_death == OwnerDeath::release);

// The tables of the contract.
static_assert(requires(const List<int>& l, std::size_t n, std::vector<int> v) {
  { l.append(1) } -> std::same_as<void>;
  { l.extend({1, 2}) } -> std::same_as<void>;
  { l.extend({}) } -> std::same_as<void>;
  { l.extend(v) } -> std::same_as<void>;
  { l.extend(l) } -> std::same_as<void>;
  { l.insert(n, 1) } -> std::same_as<void>;
  { l.pop() } -> std::same_as<int>;
  { l.pop(n) } -> std::same_as<int>;
  { l.remove(1) } -> std::same_as<void>;
  { l.index(1) } -> std::same_as<std::optional<std::size_t>>;
  { l.count(1) } -> std::same_as<std::size_t>;
  { l.sort() } -> std::same_as<void>;
  { l.sort(true) } -> std::same_as<void>;
  { l.reverse() } -> std::same_as<void>;
  { l.clear() } -> std::same_as<void>;
  { l.copy() } -> std::same_as<std::vector<int>>;
  { l.size() } -> std::same_as<std::size_t>;
  { l.empty() } -> std::same_as<bool>;
  { l.contains(1) } -> std::same_as<bool>;
  { l.at(-1) } -> std::same_as<int>;
  { l.set(n, 1) } -> std::same_as<void>;
  { l.add(0, -1) } -> std::same_as<int>;
  { l[n] } -> std::convertible_to<int>;
  { l.slice(2, 5) } -> std::same_as<std::vector<int>>;
  { l.slice(n, -1, 2) } -> std::same_as<std::vector<int>>;
  { l.slice(std::nullopt, std::nullopt, -1) } -> std::same_as<std::vector<int>>;
  { l.set_slice(0, 1, {1, 2}) } -> std::same_as<void>;
  { l.erase(n) } -> std::same_as<void>;
  { l.erase(1, n) } -> std::same_as<void>;
  l += {7, 8};
  l += v;
});

using Ages = Dict<std::string, int>;
static_assert(requires(const Ages& d, std::map<std::string, int> m) {
  { d.at("x") } -> std::same_as<int>;
  { d.get("x") } -> std::same_as<std::optional<int>>;
  { d.get("x", 1) } -> std::same_as<int>;
  { d.set("x", 1) } -> std::same_as<void>;
  { d["x"] } -> std::convertible_to<int>;
  { d.setdefault("x", 1) } -> std::same_as<int>;
  { d.pop("x") } -> std::same_as<int>;
  { d.pop("x", 1) } -> std::same_as<int>;
  { d.popitem() } -> std::same_as<std::pair<std::string, int>>;
  { d.update({{"a", 1}, {"b", 2}}) } -> std::same_as<void>;
  { d.update(m) } -> std::same_as<void>;
  { d.update(d) } -> std::same_as<void>;
  { d.erase("x") } -> std::same_as<bool>;
  { d.keys() } -> std::same_as<std::vector<std::string>>;
  { d.values() } -> std::same_as<std::vector<int>>;
  { d.items() } -> std::same_as<std::vector<std::pair<std::string, int>>>;
  { d.contains("x") } -> std::same_as<bool>;
  { d.size() } -> std::same_as<std::size_t>;
  { d.empty() } -> std::same_as<bool>;
  { d.clear() } -> std::same_as<void>;
  { d.copy() } -> std::same_as<std::map<std::string, int>>;
  { d.add("x", 1) } -> std::same_as<int>;
  { d.compare_exchange("x", 1, 2) } -> std::same_as<bool>;
  { d.update_with("x", [](int n) { return n + 1; }) } -> std::same_as<int>;
});

static_assert(requires(const Queue<int>& q, std::vector<int> v) {
  { q.put(1) } -> std::same_as<void>;
  { q.try_put(1) } -> std::same_as<bool>;
  { q.put_for(1, 1s) } -> std::same_as<bool>;
  { q.get() } -> std::same_as<int>;
  { q.try_get() } -> std::same_as<std::optional<int>>;
  { q.get_for(1s) } -> std::same_as<std::optional<int>>;
  { q.get_for(std::chrono::duration<float>(0.1F)) } -> std::same_as<std::optional<int>>;
  { q.put_many({1, 2}) } -> std::same_as<void>;
  { q.put_many(v) } -> std::same_as<void>;
  { q.get_many(5) } -> std::same_as<std::vector<int>>;
  { q.size() } -> std::same_as<std::size_t>;
  { q.empty() } -> std::same_as<bool>;
  { q.full() } -> std::same_as<bool>;
  { q.maxsize() } -> std::same_as<std::size_t>;
  { q.task_done() } -> std::same_as<void>;
  { q.join() } -> std::same_as<void>;
  { q.close() } -> std::same_as<void>;
  { q.transport() } -> std::same_as<std::string>;
});

// Elements.
using Element = decltype(std::declval<const List<int>&>()[0]);
static_assert(requires(Element (&e)(), std::size_t n, double x, std::ostream& out) {
  { e() == 4 } -> std::same_as<bool>;
  { 4 == e() } -> std::same_as<bool>;
  { e() == 4.0 } -> std::same_as<bool>;
  { e() == e() } -> std::same_as<bool>;
  { e() != n } -> std::same_as<bool>;
  { e() < n } -> std::same_as<bool>;
  { x >= e() } -> std::same_as<bool>;
  { e() + 1 } -> std::same_as<int>;
  { out << e() } -> std::same_as<std::ostream&>;
  { e() += n } -> std::same_as<int>;
  { ++e() } -> std::same_as<int>;
  { e()-- } -> std::same_as<int>;
});
// An int element takes no real, a string element no number.
template <class E, class U>
concept Assignable = requires(const E& element, U value) { element = value; };
static_assert(Assignable<Element, int> && !Assignable<Element, std::string>);
static_assert(!std::constructible_from<proxy::Step<int>, double>);

// Braces do not make an element reference out of a container and a key.
static_assert(!std::constructible_from<Element, List<int>, int>);

TEST(Shape, IsCheckedByTheCompiler) { SUCCEED(); }

}  // namespace
}  // namespace steward::detail::test
