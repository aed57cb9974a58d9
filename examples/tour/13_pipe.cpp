// A pipe carries words between the program and a process that it has started, both ways.
// Python: near, far = Pipe(); Process(target=answer, args=(far,)).start(); near.send("hello")
#include <iostream>
#include <string>
#include <utility>

#include <steward/steward.hpp>

using namespace steward;

void answer(Connection<std::string> parent) {
  std::cout << "child received: " + parent.recv() + '\n';
  parent.send("hello, parent");
}

int main() {
  auto [near, far] = pipe<std::string>();
  Process p(answer, std::move(far));
  p.start();
  near.send("hello, child");
  std::cout << "parent received: " + near.recv() + '\n';
  p.join();
}
