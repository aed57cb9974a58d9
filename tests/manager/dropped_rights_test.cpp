// A program that gives up the rights of root after it has made its first process.
#include <grp.h>
#include <unistd.h>

#include <cstdlib>

#include <gtest/gtest.h>

#include <steward/steward.hpp>

#include <steward/tests/process/support.hpp>

namespace steward {
namespace {

class DroppedRights : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can change its user";
  }

  static void drop() {
    Process first(+[] {});
    first.start();
    first.join();
    constexpr uid_t kNobody = 65534;
    if (::setgroups(0, nullptr) != 0 || ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) {
      std::abort();
    }
    ::unsetenv("XDG_RUNTIME_DIR");  // root's
  }
};

TEST_F(DroppedRights, AManagerMadeAfterwardsWorksWithItsProcesses) {
  const int code = detail::test::in_fork([] {
    drop();
    Manager manager;
    auto list = manager.list<int>({1});
    Process child([](List<int> numbers) { numbers.append(static_cast<int>(::getuid())); }, list);
    child.start();
    child.join();
    return list.at(-1) == static_cast<int>(::getuid()) ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST_F(DroppedRights, AManagerAndAPoolMadeBeforeGoOnAndEnd) {
  const int code = detail::test::in_fork([] {
    Manager manager;
    Pool pool(2);
    auto list = manager.list<int>({1});
    if (pool.apply(+[](int x) { return x; }, 1) != 1) return 1;
    drop();
    list.append(2);
    return list.size() == 2 && pool.apply(+[](int x) { return x; }, 1) == 1 ? 0 : 2;
  });
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace steward
