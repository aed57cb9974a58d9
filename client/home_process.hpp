// HomeProcess: remembers which process made an object, so that the copy in a forked child knows
// that it is a copy.
#pragma once

#include <cstdint>
#include <string_view>

namespace steward::detail::client {

// How many forks this process is away from the one that first had a session. Written in a child
// before it has a second thread. Not atomic, so that the compiler may read it once for a whole
// loop.
inline std::uint32_t forks_so_far = 0;

// A value. Costs no system call. Thread safety: any thread may ask.
class HomeProcess {
 public:
  // Whether this is still the process that made it.
  bool is_this_one() const { return made_after_ == forks_so_far; }
  // Throws BadCall if it is not. `what` begins the text: "Loan.commit".
  void require(std::string_view what) const {
    if (!is_this_one()) refuse(what);
  }

 private:
  [[noreturn]] static void refuse(std::string_view what);

  std::uint32_t made_after_ = forks_so_far;
};

}  // namespace steward::detail::client
