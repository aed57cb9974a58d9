// A task that comes back into the ring of tasks, since the process that took it died before it
// could note that.
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <optional>
#include <streambuf>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/pool/pool.hpp>
#include <steward/process/process.hpp>
#include <steward/shm/shared_queue.hpp>
#include <steward/tests/process/support.hpp>

namespace steward::detail::test {
namespace {

int cube(int x) { return x * x * x; }

// The shared queues that this process has open, the oldest first.
std::vector<int> queues_here() {
  std::vector<int> found;
  for (const std::string& name : entries("/proc/self/fd")) {
    std::error_code gone;  // the look's own descriptor
    const auto file = std::filesystem::read_symlink("/proc/self/fd/" + name, gone);
    if (file.string().starts_with("/memfd:steward-queue")) found.push_back(std::stoi(name));
  }
  std::sort(found.begin(), found.end());
  return found;
}

void takes_and_dies(const std::string& ring) {
  const auto tasks =
      shm::SharedQueue::open(shm::UniqueFd(::open(ring.c_str(), O_RDWR | O_CLOEXEC)));
  shm::Held none;
  const auto read = [](const shm::Item&) {
    ::raise(SIGKILL);
    return true;
  };
  tasks->get(read, std::nullopt, none);
}

// What a worker does before it puts a result kills it.
class KillsWhenFlushed final : public std::streambuf {
  int sync() override { return ::raise(SIGKILL); }
};

// The first worker waits at the gate, and dies when it is about to answer.
void the_first_dies_when_it_answers(const std::string& workers, const std::string& gate) {
  const shm::UniqueFd fd(::open(workers.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  int before = 0;
  if (::ioctl(fd.get(), FIONREAD, &before) != 0) std::abort();
  write_to(fd.get(), "x");
  if (before > 0) return;
  static KillsWhenFlushed deadly;
  std::cout.rdbuf(&deadly);
  hear(gate);
}

TEST(PoolRedelivery, IsNotLostIfTheNextWorkerDiesBeforeItHasSaidThatItHasIt) {
  const std::vector<int> before = queues_here();
  Pipe workers;
  Pipe gate;
  Pool pool({.processes = 1,
             .initializer = Task(the_first_dies_when_it_answers, workers.writer(), gate.reader())});
  const std::vector<int> after = queues_here();
  std::vector<int> rings;
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                      std::back_inserter(rings));
  ASSERT_FALSE(rings.empty());  // that of tasks was made first
  auto result = pool.apply_async(cube, 3);
  Process thief(takes_and_dies,
                "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(rings[0]));
  thief.start();
  thief.join();
  ASSERT_EQ(thief.exitcode(), -SIGKILL);
  gate.write("g");
  ASSERT_TRUE(result.wait_for(std::chrono::seconds(60))) << "nobody has the task";
  EXPECT_EQ(result.get(), 27) << "no death is counted: nobody has begun it";
  EXPECT_EQ(workers.read(2), "xx") << "two workers";
}

}  // namespace
}  // namespace steward::detail::test
