// Every process has its own id and knows that of the program which started it.
// Python: print("parent process:", parent_process().pid); print("process id:", os.getpid())
#include <iostream>
#include <string>

#include <steward/steward.hpp>

using namespace steward;

void show() {
  std::cout << current_process().name() + ": parent process " +
                   std::to_string(parent_process()->pid()) + ", process id " +
                   std::to_string(current_process().pid()) + '\n';
}

int main() {
  Process p1(show);
  Process p2(show);
  p1.start();
  p2.start();
  p1.join();
  p2.join();
}
