// A queue gives back what was put into it, first in, first out.
// Python: queue.put(fruit) ... while not queue.empty(): queue.get()
#include <iostream>
#include <string>

#include <steward/steward.hpp>

using namespace steward;

int main() {
  Manager manager;
  auto queue = manager.queue<std::string>();

  std::cout << "pushing items to the queue:\n";
  int number = 1;
  for (std::string fruit : {"Apple", "Orange", "Mango", "Grape", "Banana"}) {
    std::cout << "item no:  " << number++ << "   " << fruit << '\n';
    queue.put(fruit);
  }

  std::cout << "popping items from the queue:\n";
  number = 0;
  while (!queue.empty()) {
    std::cout << "item no:  " << number++ << "   " << queue.get() << '\n';
  }
}
