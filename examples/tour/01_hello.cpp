// One process runs a function: made, started, awaited.
// Python: p = Process(target=hello); p.start(); p.join()
#include <iostream>

#include <steward/steward.hpp>

using namespace steward;

void hello() { std::cout << "Hello !! Welcome to the Steward tour\n"; }

int main() {
  Process p(hello);
  p.start();
  p.join();
}
