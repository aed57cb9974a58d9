#include <steward/core/own_threads.hpp>

#include <exception>
#include <system_error>

#include <steward/core/errors.hpp>

namespace steward::core {

void run_on_own_thread(const char* name, const std::function<void()>& body) {
  std::exception_ptr error;
  try {
    start_own_thread(name, [&] {
      try {
        body();
      } catch (...) {
        error = std::current_exception();
      }
    }).join();
  } catch (const std::system_error& refused) {
    throw SystemError(refused.code().value(), "cannot start a thread");
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace steward::core
