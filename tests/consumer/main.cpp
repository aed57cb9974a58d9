#include <iostream>

#include <steward/steward.hpp>

int main() {
  steward::Manager manager;
  auto numbers = manager.list<int>({1, 2});
  numbers.append(3);
  std::cout << numbers << '\n';
}
