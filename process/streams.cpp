#include <steward/process/streams.hpp>

#include <fcntl.h>
#include <stdio_ext.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <iostream>
#include <new>
#include <string>

#include <steward/core/text.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::process {
namespace {

template <class Stream>
void flush(Stream& stream) noexcept {
  try {
    stream.flush();
  } catch (...) {
    // A program may let its streams throw; whether the output gets out is its matter.
  }
}

}  // namespace

void flush_streams() noexcept {
  flush(std::cout);
  flush(std::wcout);
  flush(std::clog);
  flush(std::cerr);
  std::fflush(stdout);
  std::fflush(stderr);
}

void forget_output() noexcept {
  for (std::FILE* file : {stdout, stderr}) ::__fpurge(file);
  const shm::UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (!null) return;
  // C++ has no way but to write it: to where nobody reads.
  std::array<shm::UniqueFd, 2> kept;
  int fd = STDOUT_FILENO;
  for (shm::UniqueFd& each : kept) {
    each.reset(::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (each) ::dup2(null.get(), fd);
    ++fd;
  }
  flush_streams();
  fd = STDOUT_FILENO;
  for (const shm::UniqueFd& each : kept) {
    if (each) ::dup2(each.get(), fd);
    ++fd;
  }
}

void renew_streams() noexcept {
  ::__fpurge(stdin);
  for (std::FILE* file : {stdin, stdout, stderr}) std::clearerr(file);
  for (std::ios* stream :
       {static_cast<std::ios*>(&std::cin), static_cast<std::ios*>(&std::cout),
        static_cast<std::ios*>(&std::cerr), static_cast<std::ios*>(&std::clog)}) {
    stream->clear();
  }
}

void write_error(std::string_view line) noexcept {
  std::string shown;
  try {
    const bool ends = line.ends_with('\n');
    shown = core::visible(line.substr(0, line.size() - (ends ? 1 : 0)));
    if (ends) shown += '\n';
  } catch (const std::bad_alloc&) {
    return;
  }
  std::string_view left = shown;
  while (!left.empty()) {
    const ssize_t count = ::write(STDERR_FILENO, left.data(), left.size());
    if (count < 0 && errno != EINTR) return;
    if (count > 0) left.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace steward::detail::process
