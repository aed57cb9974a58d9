// A program that has nearly no descriptors left.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include <steward/client/reference.hpp>
#include <steward/core/errors.hpp>
#include <steward/tests/client/fake_house.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/sanitized.hpp>

namespace steward::detail::test {
namespace {

// What connecting says in a program that can open `free` descriptors and no more.
std::string connecting_with(std::size_t free, const std::string& address, bool again) {
  Forked child([&](int out) {
    if (again) client::connect(address)->end(std::chrono::seconds(1));
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 256;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    std::vector<int> taken;
    for (int fd = 0; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) taken.push_back(fd);
    for (std::size_t i = 0; i < free && !taken.empty(); ++i) {
      ::close(taken.back());
      taken.pop_back();
    }
    std::string said = "connected";
    try {
      client::connect(address);
    } catch (const Error& error) {
      said = error.what();
    } catch (...) {
      said = "no error of ours";
    }
    said += '\n';
    return ::write(out, said.data(), said.size()) > 0 ? 0 : 1;
  });
  const std::string said = child.line();
  return child.join() == 0 ? said : "it was ended";
}

class Descriptors : public testing::TestWithParam<bool> {};

TEST_P(Descriptors, ThatAreFewEndNoProgram) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer needs descriptors itself";
  FakeHouse house;
  std::size_t connected = 0;
  for (std::size_t free = 0; free <= 24; ++free) {
    const std::string said = connecting_with(free, house.address(), GetParam());
    EXPECT_NE(said, "it was ended") << free;
    EXPECT_NE(said, "no error of ours") << free;
    connected += said == "connected" ? 1 : 0;
  }
  EXPECT_GE(connected, 4U) << "with 20 and more there are enough";
}

// ZeroMQ's threads run from the first connection on.
INSTANTIATE_TEST_SUITE_P(For, Descriptors, testing::Bool(), [](const auto& info) {
  return info.param ? "AnotherConnection" : "TheFirstConnection";
});

}  // namespace
}  // namespace steward::detail::test
