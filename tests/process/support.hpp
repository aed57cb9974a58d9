// What tests of processes share: pipes that a child opens by name, standard descriptors put aside,
// and a look at other processes through /proc.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <steward/core/codec.hpp>
#include <steward/core/errors.hpp>
#include <steward/process/streams.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::test {

inline void write_to(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count <= 0) std::abort();
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

// Up to `size` bytes; fewer at the end of the stream.
inline std::string read_from(int fd, std::size_t size) {
  std::string text;
  while (text.size() < size) {
    std::array<char, 4096> piece;
    const ssize_t count = ::read(fd, piece.data(), std::min(piece.size(), size - text.size()));
    if (count <= 0) break;
    text.append(piece.data(), static_cast<std::size_t>(count));
  }
  return text;
}

// A pipe whose ends other processes open by path: no descriptor but 0 to 2 reaches a child.
class Pipe {
 public:
  Pipe() {
    std::array<int, 2> fds{};
    if (::pipe2(fds.data(), O_CLOEXEC) != 0) std::abort();
    reader_ = shm::UniqueFd(fds[0]);
    writer_ = shm::UniqueFd(fds[1]);
  }

  std::string reader() const { return path(reader_.get()); }
  std::string writer() const { return path(writer_.get()); }
  int reader_fd() const { return reader_.get(); }
  int writer_fd() const { return writer_.get(); }

  void write(std::string_view text) const { write_to(writer_.get(), text); }
  void close_writer() { writer_.reset(); }
  std::string read(std::size_t size) const { return read_from(reader_.get(), size); }
  // Up to the end of the line.
  std::string read_line() const {
    std::string line;
    while (!line.ends_with('\n')) {
      const std::string next = read(1);
      if (next.empty()) break;
      line += next;
    }
    return line;
  }
  // What was written until all writers are gone, this one included.
  std::string read_all() {
    writer_.reset();
    return read_from(reader_.get(), std::string::npos);
  }

 private:
  static std::string path(int fd) {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd);
  }

  shm::UniqueFd reader_;
  shm::UniqueFd writer_;
};

// In a child: writes to a Pipe, or waits for a byte or the end of one.
inline void tell(const std::string& writer, std::string_view text) {
  const shm::UniqueFd fd(::open(writer.c_str(), O_WRONLY | O_CLOEXEC));
  write_to(fd.get(), text);
}
inline std::string hear(const std::string& reader) {
  const shm::UniqueFd fd(::open(reader.c_str(), O_RDONLY | O_CLOEXEC));
  return read_from(fd.get(), 1);
}

// While it lives, `fd` (0, 1 or 2) of this process is a duplicate of `other`, or closed (-1).
class Redirected {
 public:
  Redirected(int fd, int other) : fd_(fd), before_(::fcntl(fd, F_DUPFD_CLOEXEC, 3)) {
    process::flush_streams();
    if (other < 0) {
      ::close(fd);
    } else {
      ::dup2(other, fd);
    }
  }
  Redirected(const Redirected&) = delete;
  Redirected& operator=(const Redirected&) = delete;
  ~Redirected() {
    process::flush_streams();
    ::dup2(before_.get(), fd_);
  }

 private:
  int fd_;
  shm::UniqueFd before_;
};

// Runs `body` in a plain fork of this process, where nothing of steward has been started yet.
// What it returns is the exit code (99 after an exception); negative: it died of that signal.
inline int in_fork(const std::function<int()>& body) {
  process::flush_streams();
  const pid_t pid = ::fork();
  if (pid == 0) {
    int code = 99;
    try {
      code = body();
    } catch (const std::exception& error) {
      // Further up, the copy would go on with the tests that follow.
      std::cerr << "in the fork: " << error.what() << std::endl;
    }
    process::flush_streams();
    ::_exit(code);
  }
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) std::abort();
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// What a call was refused for.
template <class F>
std::string refusal(F&& call) {
  try {
    call();
  } catch (const BadCall& error) {
    return error.what();
  }
  return "nothing was thrown";
}

// Packs well and cannot be unpacked.
struct OneWay {
  int unused = 0;
  template <class Packer>
  void msgpack_pack(Packer& packer) const {
    packer.pack(1);
  }
  void msgpack_unpack(const msgpack::object&) { throw BadCall("no way back"); }
};

// Whether the condition comes true. For what has no descriptor that would tell.
inline bool eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

inline std::vector<std::string> entries(const std::string& directory) {
  std::vector<std::string> names;
  DIR* stream = ::opendir(directory.c_str());
  if (stream == nullptr) return names;
  while (const dirent* entry = ::readdir(stream)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  ::closedir(stream);
  return names;
}

// Open descriptors of a process; of this one without the one that the look needs.
inline std::size_t open_files(pid_t pid) {
  const std::size_t count = entries("/proc/" + std::to_string(pid) + "/fd").size();
  return pid == ::getpid() ? count - 1 : count;
}

// The field of /proc/<pid>/status, trimmed: "Name", "PPid", "ProcessState".
inline std::string status_field(pid_t pid, const std::string& name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + ":\t")) return line.substr(name.size() + 2);
  }
  return {};
}

// For a process that steward has started: its process server.
inline pid_t parent_of(pid_t pid) {
  const std::string number = status_field(pid, "PPid");
  const auto parent = static_cast<pid_t>(std::strtol(number.c_str(), nullptr, 10));
  // Or a signal would go to the whole group, or to the system.
  if (parent <= 1) std::abort();
  return parent;
}

// What this test program writes to standard output and error when it is run with these arguments.
inline std::string run_program(const std::string& arguments) {
  // The link and not its path in /proc, which would be the shell's.
  std::array<char, 4096> path{};
  if (::readlink("/proc/self/exe", path.data(), path.size() - 1) < 0) std::abort();
  std::FILE* output =
      ::popen(("'" + std::string(path.data()) + "' " + arguments + " 2>&1").c_str(), "re");
  if (output == nullptr) std::abort();
  const std::string text = read_from(::fileno(output), std::string::npos);
  ::pclose(output);
  return text;
}

// Processes, zombies included, whose parent is `pid`.
inline std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> children;
  for (const std::string& name : entries("/proc")) {
    const auto each = static_cast<pid_t>(std::strtol(name.c_str(), nullptr, 10));
    if (each > 0 && status_field(each, "PPid") == std::to_string(pid)) children.push_back(each);
  }
  return children;
}

}  // namespace steward::detail::test
