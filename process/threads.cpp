#include <steward/process/threads.hpp>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <thread>

namespace steward::process {
namespace {

#if defined(__SANITIZE_THREAD__)
constexpr int kSanitizerThreads = 1;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
constexpr int kSanitizerThreads = 1;
#else
constexpr int kSanitizerThreads = 0;
#endif
#else
constexpr int kSanitizerThreads = 0;
#endif

int all_threads() {
  std::error_code error;
  const std::filesystem::directory_iterator tasks("/proc/self/task", error);
  // Without /proc nothing is known: the program is trusted.
  if (error) return 1;
  return static_cast<int>(std::distance(begin(tasks), end(tasks)));
}

}  // namespace

int other_threads(int own) {
  constexpr int kLooks = 50;
  int others = 0;
  for (int look = 0; look < kLooks; ++look) {
    others = std::max(0, all_threads() - 1 - own - kSanitizerThreads);
    if (others == 0) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return others;
}

}  // namespace steward::process
