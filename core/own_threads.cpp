#include <steward/core/own_threads.hpp>

#include <exception>

namespace steward::detail::core {

void run_on_own_thread(const char* name, const std::function<void()>& body) {
  std::exception_ptr error;
  start_own_thread(name, [&] {
    try {
      body();
    } catch (...) {
      error = std::current_exception();
    }
  }).join();
  if (error) std::rethrow_exception(error);
}

}  // namespace steward::detail::core
