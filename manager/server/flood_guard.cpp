#include <steward/manager/server/flood_guard.hpp>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <utility>

namespace steward::detail::server {
namespace {

using std::chrono::milliseconds;

// While nothing happens, and while memory grows for no reason.
constexpr milliseconds kLook{20};
constexpr milliseconds kCloseLook{2};
// A byte of a message may become a value of 40 bytes, in a container that has just grown.
constexpr std::size_t kGrowth = 64;
// Buffers, threads, the allocator's leftovers.
constexpr std::size_t kSlack = 32U << 20U;

}  // namespace

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  if (!(file >> all >> resident)) return 0;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

FloodGuard::FloodGuard(std::size_t message_bytes, std::function<std::size_t()> memory)
    : message_bytes_(message_bytes), memory_(std::move(memory)), resident_(memory_()) {}

bool FloodGuard::floods(core::Time now, std::size_t clients) {
  if (now < next_look_) return false;
  const std::size_t resident = memory_();
  const std::size_t before = std::exchange(resident_, resident);
  const std::size_t moved = moved_ - std::exchange(moved_before_, moved_);
  if (resident < before) {
    unexplained_ -= std::min(unexplained_, before - resident);
  } else {
    const std::size_t growth = resident - before;
    unexplained_ += growth - std::min(growth, moved * kGrowth);
  }
  next_look_ = now + (unexplained_ > kSlack ? kCloseLook : kLook);
  if (unexplained_ <= kSlack + (clients + 1) * message_bytes_) return false;
  unexplained_ = 0;
  return true;
}

}  // namespace steward::detail::server
