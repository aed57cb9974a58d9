// What the program `steward` does with managers, where they stand still in the middle of it.
#include <signal.h>

#include <chrono>
#include <string>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/manager/standalone.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

// Connected to a manager that stands still from then on.
class StandingStill : public testing::Test {
 protected:
  StandingStill() { ::kill(own.pid(), SIGSTOP); }
  ~StandingStill() override { ::kill(own.pid(), SIGCONT); }

  Manager own;
  Manager manager = Manager::connect(own.address());
};

TEST_F(StandingStill, StoppingItEndsWithItsTime) { EXPECT_FALSE(manager::stop(manager, 0ms)); }

TEST_F(StandingStill, ItsOwnCallsEndWithTheirTime) {
  manager::ManagerAccess::set_patience(manager, 0ms);
  EXPECT_THROW(manager.names(), TimeoutError);
  EXPECT_THROW(manager.create("list"), TimeoutError);
  EXPECT_THROW(manager.remove("x"), TimeoutError);
}

}  // namespace
}  // namespace steward::detail::test
