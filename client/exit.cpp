#include <steward/client/exit.hpp>

#include <unistd.h>

namespace steward::detail::client {
namespace {

thread_local bool thread_is_over = false;

struct EndOfThread {
  ~EndOfThread() { thread_is_over = true; }
};

}  // namespace

void notice_exit() { [[maybe_unused]] thread_local EndOfThread end; }

bool is_exiting() noexcept { return thread_is_over && ::gettid() == ::getpid(); }

}  // namespace steward::detail::client
