#include <steward/tests/examples/spawn.hpp>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>

namespace steward::detail::test {
namespace {

std::string_view name_of(std::string_view entry) { return entry.substr(0, entry.find('=')); }

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> environment_with(const std::vector<std::string>& changes) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const bool changed = std::ranges::any_of(
        changes, [&](const auto& change) { return name_of(change) == name_of(*entry); });
    if (!changed) entries.emplace_back(*entry);
  }
  for (const std::string& change : changes) {
    if (change.find('=') != std::string::npos) entries.push_back(change);
  }
  return entries;
}

pid_t spawn(std::vector<std::string> arguments, std::vector<std::string> variables,
            const std::array<std::string, 3>& streams) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int fd = 0; fd < 3; ++fd) {
    const std::string& path = streams[static_cast<std::size_t>(fd)];
    const int flags = fd == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY;
    posix_spawn_file_actions_addopen(&actions, fd, path.c_str(), flags, 0600);
  }
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  errno = ::posix_spawn(&pid, arguments.front().c_str(), &actions, &attributes,
                        pointers(arguments).data(), pointers(variables).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (errno != 0) throw_errno(arguments.front().c_str());
  return pid;
}

Terminal::Terminal() : fd_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
  if (fd_ < 0 || ::grantpt(fd_) != 0 || ::unlockpt(fd_) != 0) throw_errno("no terminal");
  std::array<char, 128> name{};
  if (::ptsname_r(fd_, name.data(), name.size()) != 0) throw_errno("no terminal");
  path_ = name.data();
  // Held open, so that the reader does not end before the program has opened it.
  holder_ = ::open(path_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  reader_ = std::thread([this] {
    std::array<char, 4096> piece;
    for (ssize_t size; (size = ::read(fd_, piece.data(), piece.size())) > 0;) {
      text_.append(piece.data(), static_cast<std::size_t>(size));
    }
  });
}

Terminal::~Terminal() {
  if (reader_.joinable()) finish();
  ::close(fd_);
}

const std::string& Terminal::finish() {
  ::close(holder_);
  reader_.join();
  return text_;
}

}  // namespace steward::detail::test
