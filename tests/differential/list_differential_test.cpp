// The same random operations on a List and on Python's own list: every result, error and print
// alike.
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/steward.hpp>

#include <steward/tests/differential/outcome.hpp>
#include <steward/tests/differential/random_values.hpp>
#include <steward/tests/differential/twin.hpp>

namespace steward::detail::test {
namespace {

template <class Domain>
class ListDifferential : public testing::Test {
 protected:
  using T = typename Domain::Type;

  // A position in the list or a little beyond.
  std::int64_t index() {
    const auto size = static_cast<std::int64_t>(list.size());
    return random.between(-size - 2, size + 2);
  }
  std::optional<std::int64_t> bound() {
    if (random.one_in(4)) return std::nullopt;
    if (random.one_in(20)) return random.one_in(2) ? INT64_MAX : INT64_MIN;
    return index();
  }
  static proxy::Bound as_bound(std::optional<std::int64_t> at) {
    return at ? proxy::Bound(*at) : proxy::Bound(std::nullopt);
  }

  Operation draw() {
    // Every now and then it starts over, so that small lists are met as often as large ones.
    if (random.one_in(60)) return operation("clear", {}, [this] { list.clear(); });
    switch (random.between(0, 2)) {
      case 0: return draw_growth();
      case 1: return draw_change();
      default: return draw_look();
    }
  }

  Operation draw_growth() {
    const T v = Domain::draw(random);
    const std::vector<T> vs = draw_several<Domain>(random);
    const std::int64_t i = index();
    switch (random.between(0, 3)) {
      case 0: return operation("append", {v}, [=, this] { list.append(v); });
      case 1: return operation("extend", {Value(vs)}, [=, this] { list.extend(vs); });
      case 2: return operation("iadd", {Value(vs)}, [=, this] { list += vs; });
      default: return operation("insert", {i, v}, [=, this] { list.insert(i, v); });
    }
  }

  Operation draw_change() {
    const T v = Domain::draw(random);
    const std::vector<T> vs = draw_several<Domain>(random);
    const std::int64_t i = index();
    const auto b = bound();
    const auto e = bound();
    const bool flag = random.one_in(2);
    switch (random.between(0, 8)) {
      case 0: return operation("pop", {i}, [=, this] { return list.pop(i); });
      case 1: return operation("pop", {}, [this] { return list.pop(); });
      case 2: return operation("remove", {v}, [=, this] { list.remove(v); });
      case 3: return operation("sort", {flag}, [=, this] { list.sort(flag); });
      case 4: return operation("reverse", {}, [this] { list.reverse(); });
      case 5: return operation("set", {i, v}, [=, this] { list[i] = v; });
      case 6:
        return operation("set_slice", {b, e, vs},
                         [=, this] { list.set_slice(as_bound(b), as_bound(e), vs); });
      case 7: return operation("erase", {i}, [=, this] { list.erase(i); });
      default:
        return operation("erase_slice", {b, e},
                         [=, this] { list.erase(as_bound(b), as_bound(e)); });
    }
  }

  Operation draw_look() {
    const T v = Domain::draw(random);
    const std::int64_t i = index();
    const auto b = bound();
    const auto e = bound();
    const std::int64_t step = random.between(-3, 3);
    if constexpr (Domain::kNumbers) {
      if (random.one_in(8)) return operation("add", {i, v}, [=, this] { return list.add(i, v); });
    }
    switch (random.between(0, 8)) {
      case 0: return operation("index", {v}, [=, this] { return list.index(v); });
      case 1: return operation("count", {v}, [=, this] { return list.count(v); });
      case 2: return operation("contains", {v}, [=, this] { return list.contains(v); });
      case 3: return operation("copy", {}, [this] { return list.copy(); });
      case 4: return operation("size", {}, [this] { return list.size(); });
      case 5: return operation("at", {i}, [=, this] { return list.at(i); });
      case 6: return operation("at", {i}, [=, this] { return T(list[i]); });
      case 7: return operation("str", {}, [this] { return printed(list); });
      default:
        return operation("slice", {b, e, step},
                         [=, this] { return list.slice(as_bound(b), as_bound(e), step); });
    }
  }

  const std::uint64_t seed = seed_of_this_run();
  Random random{seed};
  Twin twin{"list"};
  Manager manager;
  const List<T> list = manager.list<T>();
};

struct DomainNames {
  template <class Domain>
  static std::string GetName(int) {
    if (std::is_same_v<Domain, Integers>) return "Integers";
    if (std::is_same_v<Domain, Strings>) return "Strings";
    return std::is_same_v<Domain, Numbers> ? "Numbers" : "Lists";
  }
};
using Domains = testing::Types<Integers, Strings, Numbers, Lists>;
TYPED_TEST_SUITE(ListDifferential, Domains, DomainNames);

TYPED_TEST(ListDifferential, IsPythonsList) {
  std::cout << "STEWARD_SEED=" << this->seed << '\n';
  for (int i = 0; i < steps_of_this_run(); ++i) {
    const Operation next = this->draw();
    ASSERT_EQ(outcome(next), this->twin.answer(next.name, next.arguments))
        << "step " << i << ": " << next.name << Value(next.arguments) << " on "
        << printed(this->list);
  }
  ASSERT_EQ("ok " + Value(this->list.copy()).json(), this->twin.answer("copy", {}));
}

}  // namespace
}  // namespace steward::detail::test
