// How many processors this program may use.
// Python: print("The number of CPU currently working in system : ", cpu_count())
#include <iostream>

#include <steward/steward.hpp>

using namespace steward;

int main() {
  std::cout << "The number of CPU currently working in system :  " << cpu_count() << '\n';
}
