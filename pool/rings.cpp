#include <steward/pool/rings.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include <steward/shm/queue_layout.hpp>
#include <steward/shm/segment.hpp>
#include <steward/shm/shared_queue.hpp>

namespace steward::detail::pool {
namespace {

constexpr std::uint64_t kClassBytesMax = std::uint64_t{256} << 20U;
constexpr std::uint64_t kClassBytesMin = std::uint64_t{1} << 20U;
constexpr std::uint64_t kMessageBytesMax = std::uint64_t{64} << 20U;

// Never full: of tasks there are no more than the window, and each has one result; besides there
// are parts of results, ends of workers and calls to look again, which may have to wait.
shm::QueueShape shape_of(std::uint64_t class_bytes) {
  return {.maxsize = 4 * kWindowMax,
          .message_bytes = std::min(kMessageBytesMax, 4 * class_bytes),
          .class_bytes = class_bytes};
}

std::uint64_t limit_on(__rlimit_resource resource) {
  rlimit limit{};
  ::getrlimit(resource, &limit);
  return limit.rlim_cur == RLIM_INFINITY ? std::numeric_limits<std::uint64_t>::max()
                                         : limit.rlim_cur;
}

// Of address space; none if nobody can tell.
std::uint64_t bytes_in_use() {
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t bytes_for_a_ring() {
  const std::uint64_t all = limit_on(RLIMIT_AS);
  const std::uint64_t left = all - std::min(all, bytes_in_use());
  return std::min(left / 4, limit_on(RLIMIT_FSIZE));
}

PoolRings make(const shm::QueueShape& shape) {
  return {shm::SharedQueue::create(shape), shm::SharedQueue::create(shape)};
}

}  // namespace

shm::QueueShape ring_shape(std::uint64_t bytes) {
  std::uint64_t class_bytes = kClassBytesMax;
  while (class_bytes > kClassBytesMin && shm::QueueLayout::of(shape_of(class_bytes)).size > bytes) {
    class_bytes /= 2;
  }
  return shape_of(class_bytes);
}

PoolRings make_rings() {
  shm::QueueShape shape = ring_shape(bytes_for_a_ring());
  for (; shape.class_bytes > kClassBytesMin; shape = shape_of(shape.class_bytes / 2)) {
    try {
      return make(shape);
    } catch (const shm::NoMemory&) {
      // Half of it may do.
    }
  }
  return make(shape);
}

}  // namespace steward::detail::pool
