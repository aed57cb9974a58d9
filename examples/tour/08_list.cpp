// A list that lives in a manager, used like a list of one's own.
// Python: squares = manager.list([i * i for i in range(10)])
#include <iostream>

#include <steward/steward.hpp>

using namespace steward;

int main() {
  Manager manager;
  auto squares = manager.list<int>();
  for (int i = 0; i < 10; ++i) squares.append(i * i);

  std::cout << squares << '\n';
  std::cout << repr(squares) << '\n';
  std::cout << squares[4] << '\n';
  std::cout << Value(squares.slice(2, 5)) << '\n';
}
