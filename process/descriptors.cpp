#include <steward/process/descriptors.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <limits>
#include <string>
#include <system_error>
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
  std::error_code error;
  std::vector<unsigned> open;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    open.push_back(static_cast<unsigned>(std::stoul(entry.path().filename())));
  }
  // Without /proc: as many as a program usually may have.
  constexpr unsigned kUsual = 1U << 16U;
  if (error) {
    for (unsigned fd = first; fd <= std::min(last, kUsual); ++fd) ::close(static_cast<int>(fd));
  }
  for (const unsigned fd : open) {
    if (fd >= first && fd <= last) ::close(static_cast<int>(fd));
  }
}

}  // namespace

void close_all_except(std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  unsigned from = 0;
  for (const int fd : keep) {
    const auto kept = static_cast<unsigned>(fd);
    if (kept > from) close_all(from, kept - 1);
    from = kept + 1;
  }
  close_all(from, std::numeric_limits<unsigned>::max());
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
