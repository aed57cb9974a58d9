// Programs whose standard descriptors are closed, as those of daemons may be.
#include <unistd.h>

#include <array>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/steward.hpp>

#include <steward/tests/process/support.hpp>

namespace steward {
namespace {

void print_everywhere() {
  std::cout << "output" << std::endl;
  std::cerr << "errors" << std::endl;
  std::printf("more\n");
  std::fflush(stdout);
  std::string line;
  std::getline(std::cin, line);
}

void work(Queue<int> in, Queue<int> out, Connection<int> back) {
  for (int i = 0; i < 20; ++i) {
    print_everywhere();
    out.put(2 * in.get());
  }
  back.send(7);
}

int square(int x) {
  print_everywhere();
  return x * x;
}

std::string target_of(int fd) {
  std::array<char, 200> link{};
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  return ::readlink(path.c_str(), link.data(), link.size() - 1) < 0 ? "closed" : link.data();
}

// 0 if all results are right and nothing of the library has the number of a closed descriptor.
int use_everything(const std::vector<int>& closed) {
  for (const int fd : closed) ::close(fd);
  auto [near, far_end] = pipe<int>();  // the first that the library opens
  near.send(1);
  if (far_end.recv() != 1) return 7;
  Manager manager;
  auto in = manager.queue<int>();
  auto out = manager.queue<int>();
  print_everywhere();
  int sum = 0;
  for (const StartMethod method : {StartMethod::fork_server, StartMethod::fork}) {
    auto [receiver, sender] = pipe<int>();
    Process child({.start_method = method}, work, in, out, std::move(sender));
    child.start();
    for (int i = 0; i < 20; ++i) in.put(i);
    for (int i = 0; i < 20; ++i) sum += out.get();
    if (receiver.recv() != 7) return 1;
    child.join();
    if (child.exitcode() != 0) return 2;
  }
  if (sum != 2 * 380) return 3;
  Pool pool(2);
  if (pool.map(square, {1, 2, 3}) != std::vector<int>{1, 4, 9}) return 4;
  Manager other = Manager::connect(manager.address());
  if (other.list<int>({1, 2}).size() != 2) return 5;
  const Manager far(ManagerOptions{.address = "tcp://127.0.0.1:0"});
  if (far.list<int>({1}).size() != 1) return 6;
  for (const int fd : closed) {
    if (target_of(fd) != "/dev/null") return 10 + fd;
  }
  return 0;
}

class StandardDescriptors : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Closed, StandardDescriptors, testing::Range(0, 8));

TEST_P(StandardDescriptors, ThatAreClosedAreTakenByNothingOfTheLibrary) {
  std::vector<int> closed;
  for (int fd = 0; fd < 3; ++fd) {
    if ((GetParam() >> fd & 1) != 0) closed.push_back(fd);
  }
  const detail::shm::UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  // What the processes print is of no interest here.
  const detail::test::Redirected input(0, null.get());
  const detail::test::Redirected output(1, null.get());
  const detail::test::Redirected errors(2, null.get());
  EXPECT_EQ(detail::test::in_fork([&] { return use_everything(closed); }), 0);
}

}  // namespace
}  // namespace steward
