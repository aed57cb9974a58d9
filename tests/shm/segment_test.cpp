// Memory that processes share, under limits.
#include <sys/resource.h>

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include <steward/shm/segment.hpp>

namespace steward::detail::shm {
namespace {

// The limit on the size of files of this process, until the scope ends.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit lower{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &lower);
  }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;
  ~FileLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

// And not a signal that ends the process.
TEST(Segment, PastTheLimitOnFilesIsAnError) {
  const FileLimit limit(1U << 20U);
  try {
    Segment::create("test", 2U << 20U);
    FAIL() << "it was made";
  } catch (const NoMemory& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("2097152 bytes"), text.npos) << text;
    EXPECT_NE(text.find("(ulimit -f) is 1048576 bytes"), text.npos) << text;
  }
}

TEST(Segment, GetsPagesWhoeverHasALowerLimitOnFiles) {
  Segment segment = Segment::create("test", 2U << 20U);
  const FileLimit limit(4096);
  segment.make_real(0, segment.size());
  segment.data()[segment.size() - 1] = std::byte{1};
  segment.give_back(0, segment.size());
  EXPECT_EQ(segment.data()[segment.size() - 1], std::byte{0});
}

}  // namespace
}  // namespace steward::detail::shm
