// A pool of five processes maps a function over a list; the results come back in order.
// Python: with Pool(5) as pool: print(pool.map(cube, [1, 2, 3]))
#include <iostream>

#include <steward/steward.hpp>

using namespace steward;

int cube(int x) { return x * x * x; }

int main() {
  Pool pool(5);
  std::cout << Value(pool.map(cube, {1, 2, 3})) << '\n';
}
