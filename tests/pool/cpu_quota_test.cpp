// How many CPUs a cgroup leaves to a pool.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include <steward/pool/cpu_quota.hpp>
#include <steward/process/process.hpp>

namespace steward::detail::pool {
namespace {

constexpr unsigned kVeryMany = 1'000'000;

// A directory that looks as the root of a system, removed at the end.
class System {
 public:
  System() {
    std::string path = (std::filesystem::temp_directory_path() / "steward-test-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("no directory for the test");
    root_ = path;
  }
  System(const System&) = delete;
  System& operator=(const System&) = delete;
  ~System() { std::filesystem::remove_all(root_); }

  System& with(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
    return *this;
  }
  unsigned quota() const { return cgroup_quota(root_); }

 private:
  std::filesystem::path root_;
};

TEST(CpuQuota, ReadsCgroupLimits) {
  EXPECT_EQ(quota_in("200000 100000"), 2U);
  EXPECT_EQ(quota_in("150000 100000"), 2U);
  EXPECT_EQ(quota_in("1000 100000"), 1U);
  EXPECT_GT(quota_in("max 100000"), kVeryMany);
  EXPECT_GT(quota_in("-1 100000"), kVeryMany);
  EXPECT_GT(quota_in("nonsense"), kVeryMany);
  EXPECT_GE(usable_cpus(), 1U);
  EXPECT_LE(usable_cpus(), cpu_count());
}

TEST(CpuQuota, OfVersion2IsTheLeastOfAllGroupsAbove) {
  System system;
  system.with("proc/self/cgroup", "0::/batch/job/step\n")
      .with("sys/fs/cgroup/batch/job/step/cpu.max", "max 100000\n")
      .with("sys/fs/cgroup/batch/job/cpu.max", "300000 100000\n")
      .with("sys/fs/cgroup/batch/cpu.max", "800000 100000\n");
  EXPECT_EQ(system.quota(), 3U);
}

TEST(CpuQuota, OfVersion1IsSeen) {
  System system;
  system.with("proc/self/cgroup", "9:memory:/job\n4:cpu,cpuacct:/batch/job\n1:name=systemd:/\n")
      .with("sys/fs/cgroup/cpu,cpuacct/batch/job/cpu.cfs_quota_us", "50000\n")
      .with("sys/fs/cgroup/cpu,cpuacct/batch/job/cpu.cfs_period_us", "100000\n")
      .with("sys/fs/cgroup/cpu,cpuacct/batch/cpu.cfs_quota_us", "-1\n")
      .with("sys/fs/cgroup/cpu,cpuacct/batch/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(system.quota(), 1U);
}

TEST(CpuQuota, OfVersion1InAContainerIsThatOfTheRoot) {
  System system;
  system.with("proc/self/cgroup", "4:cpu,cpuacct:/docker/0123\n0::/docker/0123\n")
      .with("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "400000\n")
      .with("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(system.quota(), 4U);
}

TEST(CpuQuota, OfOtherControllersOrNoneIsNoLimit) {
  System system;
  EXPECT_GT(system.quota(), kVeryMany);
  system.with("proc/self/cgroup", "4:cpuset:/job\nnonsense\n:\n")
      .with("sys/fs/cgroup/cpuset/job/cpu.cfs_quota_us", "50000\n")
      .with("sys/fs/cgroup/cpuset/job/cpu.cfs_period_us", "100000\n");
  EXPECT_GT(system.quota(), kVeryMany);
}

}  // namespace
}  // namespace steward::detail::pool
