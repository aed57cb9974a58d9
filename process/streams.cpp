#include <steward/process/streams.hpp>

#include <stdio_ext.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <iostream>

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

void renew_streams() noexcept {
  ::__fpurge(stdin);
  for (std::FILE* file : {stdin, stdout, stderr}) std::clearerr(file);
  for (std::ios* stream :
       {static_cast<std::ios*>(&std::cin), static_cast<std::ios*>(&std::cout),
        static_cast<std::ios*>(&std::cerr), static_cast<std::ios*>(&std::clog)}) {
    stream->clear();
  }
}

void write_error(std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t count = ::write(STDERR_FILENO, text.data(), text.size());
    if (count < 0 && errno != EINTR) return;
    if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace steward::detail::process
