// What a Pool refuses to run. CASE 0 compiles.
#include <steward/pool/pool.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace {

struct Opaque {
  std::string text;
};
struct Borrower {
  int size;
  const char* text;
};

int add(int a, int b) { return a + b; }
int twice(int x) { return 2 * x; }
[[maybe_unused]] int take_opaque(const Opaque&) { return 0; }
[[maybe_unused]] const char* give_pointer(int) { return "text"; }
[[maybe_unused]] int count_up(int& x) { return ++x; }
[[maybe_unused]] int take_view(std::string_view) { return 0; }
[[maybe_unused]] int take_borrower(Borrower) { return 0; }
[[maybe_unused]] Borrower give_borrower(int) { return {}; }

}  // namespace

void build(steward::Pool& pool) {
#if CASE == 0
  pool.apply(add, 1, 2);
  pool.map(twice, {1, 2});
  pool.starmap(add, {{1, 2}});
  pool.map([](auto x) { return x; }, std::vector<int>{1});
  for (int x : pool.imap(twice, std::vector<int>{1})) static_cast<void>(x);
  steward::Future<int> future = pool.apply_async(twice, 1);
  static_cast<void>(steward::when_any(future));
#elif CASE == 1
  const int by = 2;
  pool.map([by](int x) { return by * x; }, {1});
#elif CASE == 2
  pool.apply(std::function<int(int)>(twice), 1);
#elif CASE == 3
  pool.apply(add, 1);
#elif CASE == 4
  pool.apply(twice, "text");
#elif CASE == 5
  pool.apply(take_opaque, Opaque{});
#elif CASE == 6
  pool.apply(give_pointer, 1);
#elif CASE == 7
  pool.apply(take_view, "text");
#elif CASE == 8
  pool.map(add, std::vector<int>{1});
#elif CASE == 9
  pool.imap([](int) {}, {1});
#elif CASE == 10
  steward::Pool copy(pool);
#elif CASE == 11
  steward::Future<int> future;
  steward::Future<int> copy(future);
#elif CASE == 12
  static_cast<void>(steward::when_any(pool.apply_async(twice, 1)));
#elif CASE == 13
  const int sum = pool.apply(std::bind(add, 1, 2));
#elif CASE == 14
  const auto sums = pool.map(std::bind(add, 1, std::placeholders::_1), std::vector<int>{1});
#elif CASE == 15
  int counter = 1;
  pool.apply(count_up, counter);
#elif CASE == 16
  const std::vector<int> numbers = pool.map(twice, std::vector<std::string>{"1"});
#elif CASE == 17
  const int by = 2;
  for (int x : pool.imap([by](int x) { return by * x; }, std::vector{1})) static_cast<void>(x);
#elif CASE == 18
  const int by = 2;
  auto future = pool.map_async([by](int x) { return by * x; }, {1});
  const std::vector<int> numbers = future.get();
#elif CASE == 19
  const int by = 2;
  pool.starmap([by](int x, int y) { return by * x * y; }, std::vector<std::tuple<int, int>>{});
#elif CASE == 20
  const std::vector<int> sizes = pool.map(take_borrower, std::vector<Borrower>{});
#elif CASE == 21
  const std::vector<Borrower> texts = pool.map(give_borrower, std::vector<int>{1});
#endif
}
