// join() waits until the process has ended.
// Python: p.start(); p.join(); print("finishing main")
#include <chrono>
#include <iostream>
#include <thread>

#include <steward/steward.hpp>

using namespace steward;
using namespace std::chrono_literals;

void fun() {
  std::cout << "starting fun\n";
  std::this_thread::sleep_for(200ms);
  std::cout << "finishing fun\n";
}

int main() {
  std::cout << "starting main\n";
  Process p(fun);
  p.start();
  p.join();
  std::cout << "finishing main\n";
}
