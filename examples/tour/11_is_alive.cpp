// Whether a process still runs.
// Python: p.join(); print("Process p is alive:", p.is_alive())
#include <iostream>

#include <steward/steward.hpp>

using namespace steward;

void nothing() {}

int main() {
  Process p(nothing);
  p.start();
  p.join();
  std::cout << "Process p is alive: " << std::boolalpha << p.is_alive() << '\n';
}
