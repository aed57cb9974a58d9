// Peer: one process of a measurement. Everything that is compared runs in processes of its own that
// look the same from here: told "dict_get 1000" on a Unix socket, they do that and answer how long
// it took. So peers of any language can be interleaved, and none is favoured.
//
// The lines, each ended by \n:
//   to the peer     OPERATION COUNT
//   from the peer   ready TEXT            once, when it can be asked
//                   CALLS SECONDS MORE... the numbers of a run
//                   ! TEXT                it failed
// A peer ends when the socket is closed.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include <steward/bench/scratch.hpp>
#include <steward/steward.hpp>

namespace steward::bench {

// What a run of an operation gave.
struct Run {
  double calls = 0;
  double seconds = 0;
  std::vector<double> more = {};

  double micros() const { return seconds * 1e6 / calls; }
  double per_second() const { return calls / seconds; }
};

// A connected stream socket, line by line. A resource.
class Lines {
 public:
  explicit Lines(int fd) : fd_(fd) {}
  static Lines connect(const std::string& path);
  Lines(Lines&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}
  Lines& operator=(Lines&& other) noexcept;
  ~Lines() { close(); }

  // Throws std::runtime_error if the other end has hung up.
  void write(const std::string& line);
  // False: the other end has hung up.
  bool read(std::string& line);
  int fd() const { return fd_; }
  bool buffered() const { return buffer_.find('\n') != std::string::npos; }
  void close();

 private:
  int fd_ = -1;
  std::string buffer_;
};

// A socket that waits for one connection; its path must not exist. A resource.
class Listening {
 public:
  explicit Listening(std::string path);
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
  ~Listening();

  const std::string& path() const { return path_; }
  // Throws std::runtime_error if `process` ends before anybody connects.
  Lines accept(const Process& process) const;

 private:
  std::string path_;
  int fd_;
};

// The process, seen from the program that measures. A resource.
class Peer {
 public:
  // Runs main(path of the socket, args...) in a process; `main` is a plain function. Returns when
  // the peer is ready, throws std::runtime_error if it never is.
  template <class F, class... A>
  Peer(const Scratch& scratch, const std::string& name, F main, A... args)
      : listening_(scratch.path(name + "-" + std::to_string(next_number()))),
        process_(ProcessOptions{.name = name, .daemon = true}, main, listening_.path(), args...),
        lines_(-1) {
    process_.start();
    await_ready();
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer();

  Run run(const std::string& operation, std::size_t count) {
    begin(operation, count);
    return finish();
  }
  // The halves of run(), for several peers at once.
  void begin(const std::string& operation, std::size_t count);
  Run finish();

  pid_t pid() const { return process_.pid(); }
  // What it said when it was ready: a version.
  const std::string& text() const { return text_; }

 private:
  static int next_number();
  void await_ready();

  Listening listening_;
  Process process_;
  Lines lines_;
  std::string text_;
};

// The peer's own side.
class Answers {
 public:
  using Operation = std::function<Run(std::size_t count)>;

  explicit Answers(const std::string& socket) : lines_(Lines::connect(socket)) {}

  void on(const std::string& name, Operation operation) {
    operations_[name] = std::move(operation);
  }
  // `text` is said when ready. Returns when the other end hangs up.
  void serve(const std::string& text = {});
  // Likewise, and calls `idle` about that often while nothing is asked.
  void serve_and(std::chrono::milliseconds every, const std::function<void()>& idle);

 private:
  bool answer();  // the next line; false: there will be none

  Lines lines_;
  std::map<std::string, Operation> operations_;
};

// Calls `once` so many times.
template <class F>
Run timed(std::size_t count, F&& once) {
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < count; ++i) once();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return {static_cast<double>(count), took.count()};
}

// Calls `once` for that long.
template <class F>
Run timed_for(std::chrono::milliseconds time, F&& once) {
  const auto start = std::chrono::steady_clock::now();
  const auto end = start + time;
  std::size_t count = 0;
  auto now = start;
  for (; now < end; now = std::chrono::steady_clock::now(), ++count) once();
  return {static_cast<double>(count), std::chrono::duration<double>(now - start).count()};
}

// Calls `once` so many times and gives the 50th and 99th percentile of one call in microseconds as
// more[0] and more[1].
Run distribution(std::size_t count, const std::function<void()>& once);

// The first program of that name in $PATH; empty if there is none.
std::string find_program(const std::string& name);
// Becomes that program; its standard output goes nowhere. Does not return.
[[noreturn]] void become(std::vector<std::string> arguments);

}  // namespace steward::bench
