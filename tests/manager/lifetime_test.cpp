// Servers and their owners: how one ends with the other, and what is left.
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <steward/core/clock.hpp>
#include <steward/manager/manager.hpp>
#include <steward/manager/serve.hpp>
#include <steward/manager/server/directory.hpp>
#include <steward/process/launch.hpp>
#include <steward/shm/pidfd.hpp>
#include <steward/tests/crash/eventually.hpp>
#include <steward/tests/general_road.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

std::string directory_of(const Manager& manager) {
  return server::directory_of(manager.address());
}

void wait_for_end(int pidfd) {
  pollfd entry{pidfd, POLLIN, 0};
  EXPECT_EQ(::poll(&entry, 1, 20'000), 1) << "the process does not end";
}

void until_the_owner_ends(const process::ChildContext& context) {
  pollfd entry{context.owner_pidfd(), POLLIN, 0};
  ::poll(&entry, 1, -1);
}

// The directory of a Manager that this process owns, and its server's pid.
void own_a_manager(process::ChildContext& context, std::string_view) {
  const Manager manager;
  context.confirm(std::to_string(manager.pid()) + " " + directory_of(manager));
  until_the_owner_ends(context);
}

void serve_here(process::ChildContext& context, std::string_view) {
  manager::serve({}, {}, [&](const std::string& address) { context.confirm(address); });
}

process::Child launch(process::Entry entry) {
  return process::launch({.entry = entry, .arguments = {}, .name = "test"});
}

TEST(ManagerLifetime, ADestroyedManagerLeavesNothing) {
  std::string directory;
  shm::UniqueFd server;
  List<int> list;
  {
    const Manager manager;
    directory = directory_of(manager);
    server = shm::pidfd_of(manager.pid());
    list = manager.list<int>({1});
    EXPECT_TRUE(std::filesystem::exists(directory + "/manager.sock"));
    EXPECT_TRUE(std::filesystem::exists(directory + "/door"));
  }
  EXPECT_TRUE(shm::has_ended(server.get()));
  EXPECT_FALSE(std::filesystem::exists(directory));
  EXPECT_THROW(list.size(), Disconnected);
}

TEST(ManagerLifetime, ShutdownEndsTheServerOnce) {
  Manager manager;
  const std::string directory = directory_of(manager);
  const Queue<int> queue = manager.queue<int>();
  const shm::UniqueFd server = shm::pidfd_of(manager.pid());
  manager.shutdown();
  EXPECT_TRUE(shm::has_ended(server.get()));
  EXPECT_FALSE(std::filesystem::exists(directory));
  manager.shutdown();
  EXPECT_THROW(queue.put(1), Disconnected);
  EXPECT_THROW(manager.list<int>(), Disconnected);
}

TEST(ManagerLifetime, ShutdownEndsParkedCalls) {
  const GeneralRoad through_the_manager;
  Manager manager;
  const Queue<int> queue = manager.queue<int>();
  const Lock lock = manager.lock();
  lock.lock();
  std::thread getter([&] { EXPECT_THROW(queue.get(), Disconnected); });
  std::thread locker([&] { EXPECT_THROW(lock.lock(), Disconnected); });
  EXPECT_TRUE(eventually(
      [&] { return manager.debug_info().find("2 parked calls") != std::string::npos; }));
  manager.shutdown();
  getter.join();
  locker.join();
}

TEST(ManagerLifetime, AConnectedManagerShutsDownTheServerToo) {
  Manager owner;
  const shm::UniqueFd server = shm::pidfd_of(owner.pid());
  Manager connected = Manager::connect(owner.address());
  connected.shutdown();
  wait_for_end(server.get());
  EXPECT_FALSE(std::filesystem::exists(directory_of(owner)));
}

TEST(ManagerLifetime, AKilledServersDirectoryIsRemovedByItsManager) {
  std::string directory;
  {
    const Manager manager;
    directory = directory_of(manager);
    ::kill(manager.pid(), SIGKILL);
  }
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST(ManagerLifetime, AKilledServersDirectoryIsSweptByTheNextManager) {
  const process::Child owner = launch(own_a_manager);
  const std::string told = owner.confirmation();
  const std::string directory = told.substr(told.find(' ') + 1);
  const auto server = static_cast<pid_t>(std::stol(told));
  const shm::UniqueFd pidfd = shm::pidfd_of(server);
  // Neither of the two can tidy up.
  owner.signal(SIGSTOP);
  shm::send_signal(pidfd.get(), SIGKILL);
  wait_for_end(pidfd.get());
  EXPECT_TRUE(std::filesystem::exists(directory));
  const Manager next;
  EXPECT_FALSE(std::filesystem::exists(directory));
  owner.signal(SIGKILL);
  owner.wait();
}

TEST(ManagerLifetime, AStoppedServerIsKilledInTime) {
  std::string directory;
  shm::UniqueFd server;
  {
    const Manager manager(ManagerOptions{.shutdown_timeout = 300ms});
    directory = directory_of(manager);
    server = shm::pidfd_of(manager.pid());
    ::kill(manager.pid(), SIGSTOP);
  }
  EXPECT_TRUE(shm::has_ended(server.get()));
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST(ManagerLifetime, AServerEndsWithItsKilledOwner) {
  const process::Child owner = launch(own_a_manager);
  const std::string told = owner.confirmation();
  const shm::UniqueFd server = shm::pidfd_of(static_cast<pid_t>(std::stol(told)));
  const std::string directory = told.substr(told.find(' ') + 1);
  EXPECT_TRUE(std::filesystem::exists(directory));
  owner.signal(SIGKILL);
  owner.wait();
  wait_for_end(server.get());
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST(ManagerLifetime, AServerIsNotInterruptedByCtrlC) {
  const Manager manager;
  const List<int> list = manager.list<int>({1});
  ::kill(manager.pid(), SIGINT);
  EXPECT_EQ(list.size(), 1U);
}

TEST(ManagerLifetime, ATerminatedServerTidiesUp) {
  const Manager manager;
  const shm::UniqueFd server = shm::pidfd_of(manager.pid());
  ::kill(manager.pid(), SIGTERM);
  wait_for_end(server.get());
  EXPECT_FALSE(std::filesystem::exists(directory_of(manager)));
}

TEST(ManagerLifetime, AForkedCopyDoesNothingAtItsEnd) {
  auto manager = std::make_unique<Manager>();
  const List<int> list = manager->list<int>({1});
  const pid_t child = ::fork();
  if (child == 0) {
    manager.reset();
    ::_exit(0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(list.size(), 1U);
}

TEST(ManagerLifetime, AForkedCopyWorks) {
  const Manager manager;
  const List<int> list = manager.list<int>(named("x"), {1});
  const pid_t child = ::fork();
  if (child == 0) {
    const bool same = manager.list<int>(named("x")).size() == 1;
    manager.list<int>(named("x")).append(2);
    ::_exit(same ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(list.size(), 2U);
}

class Serving : public testing::TestWithParam<int> {};

TEST_P(Serving, EndsOnASignal) {
  const process::Child server = launch(serve_here);
  const Manager manager = Manager::connect(server.confirmation());
  EXPECT_EQ(manager.pid(), server.pid());
  const List<int> list = manager.list<int>({1});
  EXPECT_EQ(list.size(), 1U);
  server.signal(GetParam());
  EXPECT_TRUE(server.wait(core::deadline_after(20s)));
  EXPECT_EQ(server.exit_code(), 0);
  EXPECT_FALSE(std::filesystem::exists(directory_of(manager)));
  EXPECT_THROW(list.size(), Disconnected);
}

INSTANTIATE_TEST_SUITE_P(Manager, Serving, testing::Values(SIGTERM, SIGINT));

TEST(ServingHere, EndsOnAShutdownCall) {
  const process::Child server = launch(serve_here);
  Manager manager = Manager::connect(server.confirmation());
  const List<int> list = manager.list<int>({1});
  manager.shutdown();
  EXPECT_TRUE(server.wait(core::deadline_after(20s)));
  EXPECT_EQ(server.exit_code(), 0);
  EXPECT_FALSE(std::filesystem::exists(directory_of(manager)));
}

TEST(ServingHere, LeavesObjectsToNobodyInParticular) {
  const process::Child server = launch(serve_here);
  {
    const Manager manager = Manager::connect(server.confirmation());
    manager.list<int>(named("kept"), {1});
    const List<int> dropped = manager.list<int>({2});
  }
  const Manager again = Manager::connect(server.confirmation());
  EXPECT_TRUE(eventually([&] { return again.number_of_objects() == 1; }));
  EXPECT_EQ(again.list<int>(named("kept")).size(), 1U);
  server.end(5s);
}

}  // namespace
}  // namespace steward::detail::test
