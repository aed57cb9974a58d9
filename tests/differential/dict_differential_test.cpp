// The same random operations on a Dict and on Python's own dict: every result, error and print
// alike, the order of insertion included.
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/steward.hpp>

#include <steward/tests/differential/outcome.hpp>
#include <steward/tests/differential/random_values.hpp>
#include <steward/tests/differential/twin.hpp>

namespace steward::detail::test {
namespace {

template <class Domains>
class DictDifferential : public testing::Test {
 protected:
  using Keys = typename Domains::first_type;
  using Values = typename Domains::second_type;
  using K = typename Keys::Type;
  using V = typename Values::Type;
  using Item = std::pair<K, V>;

  static Value as_value(const Item& item) { return Value::List{item.first, item.second}; }
  static Value as_value(const std::vector<Item>& items) {
    Value::List list;
    for (const Item& item : items) list.push_back(as_value(item));
    return list;
  }

  Operation draw() {
    if (random.one_in(80)) return operation("clear", {}, [this] { dict.clear(); });
    if constexpr (Values::kNumbers) {
      if (random.one_in(5)) return draw_atomic();
    }
    return random.one_in(2) ? draw_change() : draw_look();
  }

  Operation draw_change() {
    const K k = Keys::draw(random);
    const V v = Values::draw(random);
    const V w = Values::draw(random);
    std::vector<Item> items;
    while (!random.one_in(3)) items.emplace_back(Keys::draw(random), Values::draw(random));
    switch (random.between(0, 8)) {
      case 0: return operation("set", {k, v}, [=, this] { dict.set(k, v); });
      case 1: return operation("set", {k, v}, [=, this] { dict[k] = v; });
      case 2: return operation("setdefault", {k, v}, [=, this] { return dict.setdefault(k, v); });
      case 3: return operation("pop", {k}, [=, this] { return dict.pop(k); });
      case 4: return operation("pop_or", {k, v}, [=, this] { return dict.pop(k, v); });
      case 5: return operation("popitem", {}, [this] { return as_value(dict.popitem()); });
      case 6: return operation("update", {as_value(items)}, [=, this] { dict.update(items); });
      case 7: return operation("erase", {k}, [=, this] { return dict.erase(k); });
      default:
        return operation("compare_exchange", {k, v, w},
                         [=, this] { return dict.compare_exchange(k, v, w); });
    }
  }

  Operation draw_look() {
    const K k = Keys::draw(random);
    const V v = Values::draw(random);
    switch (random.between(0, 9)) {
      case 0: return operation("at", {k}, [=, this] { return dict.at(k); });
      case 1: return operation("at", {k}, [=, this] { return V(dict[k]); });
      case 2: return operation("get", {k}, [=, this] { return dict.get(k); });
      case 3: return operation("get_or", {k, v}, [=, this] { return dict.get(k, v); });
      case 4: return operation("keys", {}, [this] { return dict.keys(); });
      case 5: return operation("values", {}, [this] { return dict.values(); });
      case 6: return operation("items", {}, [this] { return as_value(dict.items()); });
      case 7: return operation("contains", {k}, [=, this] { return dict.contains(k); });
      case 8: return operation("size", {}, [this] { return dict.size(); });
      default: return operation("str", {}, [this] { return printed(dict); });
    }
  }

  Operation draw_atomic() {
    const K k = Keys::draw(random);
    const V v = Values::draw(random);
    if (random.one_in(2)) return operation("add", {k, v}, [=, this] { return dict.add(k, v); });
    // Doubling soon leaves 64 bits; Python's integers do not care.
    constexpr std::int64_t kLarge = INT64_MAX / 4;
    const Value there(dict.get(k));
    if (!there.is_nil() && (there > Value(kLarge) || there < Value(-kLarge))) {
      return operation("set", {k, v}, [=, this] { dict.set(k, v); });
    }
    return operation("update_with_twice", {k}, [=, this] {
      return dict.update_with(k, [](const V& n) { return twice(n); });
    });
  }

  static std::int64_t twice(std::int64_t n) { return n * 2; }
  static Value twice(const Value& n) {
    if (n.is_nil()) return 0;  // V{} of a missing key
    return n.is<double>() ? Value(n.as<double>() * 2) : Value(n.as<std::int64_t>() * 2);
  }

  const std::uint64_t seed = seed_of_this_run();
  Random random{seed};
  Twin twin{"dict"};
  Manager manager;
  const Dict<K, V> dict = manager.dict<K, V>();
};

using DictDomains =
    testing::Types<std::pair<Strings, Integers>, std::pair<Integers, Strings>,
                   std::pair<Numbers, Numbers>, std::pair<Strings, Lists>>;
TYPED_TEST_SUITE(DictDifferential, DictDomains);

TYPED_TEST(DictDifferential, IsPythonsDict) {
  std::cout << "STEWARD_SEED=" << this->seed << '\n';
  for (int i = 0; i < steps_of_this_run(); ++i) {
    const Operation next = this->draw();
    ASSERT_EQ(outcome(next), this->twin.answer(next.name, next.arguments))
        << "step " << i << ": " << next.name << Value(next.arguments) << " on "
        << printed(this->dict);
  }
}

}  // namespace
}  // namespace steward::detail::test
