#include <steward/shm/unique_fd.hpp>

#include <fcntl.h>

#include <concepts>
#include <utility>

#include <gtest/gtest.h>

namespace steward::detail::shm {
namespace {

static_assert(std::movable<UniqueFd> && !std::copyable<UniqueFd>);

int some_file() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }
bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

TEST(UniqueFd, StandsForNothingAtFirst) {
  const UniqueFd none;
  EXPECT_FALSE(none);
  EXPECT_EQ(none.get(), -1);
}

TEST(UniqueFd, ClosesWhatItOwns) {
  const int fd = some_file();
  {
    const UniqueFd owner(fd);
    EXPECT_TRUE(owner);
    EXPECT_TRUE(is_open(fd));
  }
  EXPECT_FALSE(is_open(fd));
}

TEST(UniqueFd, HandsOverByMove) {
  const int fd = some_file();
  UniqueFd first(fd);
  UniqueFd second(std::move(first));
  EXPECT_FALSE(first);
  EXPECT_EQ(second.get(), fd);
  UniqueFd third(some_file());
  const int replaced = third.get();
  third = std::move(second);
  EXPECT_FALSE(is_open(replaced));
  EXPECT_EQ(third.get(), fd);
  EXPECT_TRUE(is_open(fd));
}

TEST(UniqueFd, SurvivesAMoveToItself) {
  UniqueFd fd(some_file());
  UniqueFd& same = fd;
  fd = std::move(same);
  EXPECT_TRUE(is_open(fd.get()));
}

TEST(UniqueFd, LetsGo) {
  UniqueFd owner(some_file());
  const UniqueFd again(owner.release());
  EXPECT_FALSE(owner);
  EXPECT_TRUE(is_open(again.get()));
}

TEST(UniqueFd, ResetClosesAndTakes) {
  UniqueFd owner(some_file());
  const int before = owner.get();
  const int next = some_file();
  owner.reset(next);
  EXPECT_FALSE(is_open(before));
  EXPECT_EQ(owner.get(), next);
  owner.reset();
  EXPECT_FALSE(owner);
  EXPECT_FALSE(is_open(next));
}

}  // namespace
}  // namespace steward::detail::shm
