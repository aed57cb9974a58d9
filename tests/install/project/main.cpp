// What the tests of installing build and run: it touches each part of the library.
#include <iostream>
#include <string>

#include <steward/steward.hpp>

static_assert(STEWARD_VERSION_MAJOR == 0 && STEWARD_VERSION_MINOR > 0 &&
              STEWARD_VERSION_PATCH >= 0);

namespace {

void append(steward::List<int> numbers, int number) { numbers.append(number); }

int twice(int number) { return 2 * number; }

}  // namespace

int main() {
  steward::Manager manager;
  auto numbers = manager.list<int>({1, 2});
  steward::Process process(append, numbers, 3);
  process.start();
  process.join();
  auto queue = manager.queue<std::string>();
  queue.put(STEWARD_VERSION);
  steward::Pool pool(1);
  std::cout << numbers << ' ' << pool.apply(twice, 21) << ' ' << queue.get() << '\n';
}
