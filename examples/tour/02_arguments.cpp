// Two processes at the same time, with an argument each.
// Python: p1 = Process(target=square, args=(5,)); p2 = Process(target=cube, args=(5,))
#include <iostream>

#include <steward/steward.hpp>

using namespace steward;

void square(int n) { std::cout << "The Square is: " << n * n << '\n'; }
void cube(int n) { std::cout << "The Cube is: " << n * n * n << '\n'; }

int main() {
  Process p1(square, 5);
  Process p2(cube, 5);
  p1.start();
  p2.start();
  p1.join();
  p2.join();
  std::cout << "Both processes are finished\n";
}
