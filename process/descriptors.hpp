// What the kernel offers on descriptors, as this room needs it: waiting for one, closing all but a
// few, and bytes in a sealed memory file.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include <steward/core/clock.hpp>
#include <steward/shm/fd_passing.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::process {

// Waits until one of the descriptors is readable or hung up; false once the deadline has passed.
bool wait_readable(std::initializer_list<int> fds, core::Deadline deadline);

// Closes every descriptor of this process that is not in `keep`, where -1 stands for none. Needs
// no memory.
void close_all_except(std::initializer_list<int> keep);

// The same file under a number above the standard descriptors: a program may have closed those, and
// what took their place would be taken for input and output.
shm::UniqueFd lifted(shm::UniqueFd fd);
shm::SocketPair lifted_pair();

// A memory file that holds the parts one after the other and can no longer be changed by anybody.
// Throws SystemError.
shm::UniqueFd sealed_memory(std::initializer_list<std::string_view> parts);

// The bytes of a sealed memory file, mapped for reading. Movable, not copyable.
class Mapping {
 public:
  Mapping() = default;
  explicit Mapping(int memory);  // throws SystemError
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  std::string_view bytes() const { return bytes_; }

 private:
  std::string_view bytes_;
};

}  // namespace steward::detail::process
