// A second program, maybe on another host, connects by address and key and edits the same dict.
// Python: m = SyncManager(address=address, authkey=key); m.connect()
#include <cstdio>
#include <iostream>
#include <string>

#include <steward/steward.hpp>

using namespace steward;

// The second program. It reads the key from its input: arguments can be seen by everybody.
int be_the_second(const std::string& address) {
  std::string key;
  std::getline(std::cin, key);
  // [connect]
  auto manager = Manager::connect(address, {.key = key});
  auto ages = manager.dict<std::string, int>(named("ages"));
  // [end]
  std::cout << "The second program sees " << ages << std::endl;
  ages["bob"] = 41;
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 2) return be_the_second(argv[1]);
  // [listen]
  const std::string key = generate_key();
  Manager manager(ManagerOptions{.address = "tcp://127.0.0.1:0", .key = key});
  auto ages = manager.dict<std::string, int>(named("ages"), {{"ada", 36}});
  // [end]

  std::FILE* second = popen((std::string(argv[0]) + " " + manager.address()).c_str(), "w");
  std::fprintf(second, "%s\n", key.c_str());
  pclose(second);
  std::cout << "The first program sees " << ages << '\n';
}
