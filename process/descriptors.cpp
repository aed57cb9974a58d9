#include <steward/process/descriptors.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include <steward/core/errors.hpp>
#include <steward/shm/memory_file.hpp>
#include <steward/shm/poll.hpp>

namespace steward::detail::process {
namespace {

[[noreturn]] void fail(const char* what) {
  throw SystemError(errno, what);
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR) fail("cannot write to a memory file");
    if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace

bool wait_readable(std::initializer_list<int> fds, core::Deadline deadline) {
  std::vector<pollfd> entries;
  for (const int fd : fds) entries.push_back({fd, POLLIN, 0});
  return shm::poll_until(entries, deadline);
}

namespace {

// Of the descriptors from `first` to `last`. Some kernels and filters of system calls do not know
// close_range().
void close_all(unsigned first, unsigned last) {
  if (::close_range(first, last, 0) == 0) return;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir("/proc/self/fd"), ::closedir);
  // Without /proc: as many as a program usually may have.
  constexpr unsigned kUsual = 1U << 16U;
  if (!open) {
    for (unsigned fd = first; fd <= std::min(last, kUsual); ++fd) ::close(static_cast<int>(fd));
    return;
  }
  while (const dirent* entry = ::readdir(open.get())) {
    if (entry->d_name[0] == '.') continue;
    const auto fd = static_cast<unsigned>(std::strtoul(entry->d_name, nullptr, 10));
    const bool itself = static_cast<int>(fd) == ::dirfd(open.get());
    if (fd >= first && fd <= last && !itself) ::close(static_cast<int>(fd));
  }
}

}  // namespace

void close_all_except(std::initializer_list<int> keep) {
  // What is not open (-1) is the last that there may be.
  constexpr unsigned kLast = std::numeric_limits<unsigned>::max();
  for (unsigned from = 0;;) {
    unsigned kept = kLast;
    for (const int fd : keep) {
      const auto number = static_cast<unsigned>(fd);
      if (number >= from) kept = std::min(kept, number);
    }
    if (kept == kLast) return close_all(from, kLast);
    if (kept > from) close_all(from, kept - 1);
    from = kept + 1;
  }
}

shm::UniqueFd lifted(shm::UniqueFd fd) {
  if (!fd || fd.get() > STDERR_FILENO) return fd;
  shm::UniqueFd higher(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!higher) fail("cannot duplicate a descriptor");
  return higher;
}

shm::SocketPair lifted_pair() {
  shm::SocketPair pair = shm::seqpacket_pair();
  return {lifted(std::move(pair.a)), lifted(std::move(pair.b))};
}

shm::UniqueFd sealed_memory(std::initializer_list<std::string_view> parts) {
  std::size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  shm::UniqueFd memory = shm::memory_file("steward", size);
  for (const std::string_view part : parts) write_all(memory.get(), part);
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  if (::fcntl(memory.get(), F_ADD_SEALS, seals) != 0) fail("cannot seal a memory file");
  return memory;
}

Mapping::Mapping(int memory) {
  struct stat status{};
  if (::fstat(memory, &status) != 0) fail("cannot read a memory file");
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return;
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, memory, 0);
  if (data == MAP_FAILED) fail("cannot map a memory file");
  bytes_ = {static_cast<const char*>(data), size};
}

Mapping::Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

Mapping::~Mapping() {
  if (!bytes_.empty()) ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
}

}  // namespace steward::detail::process
