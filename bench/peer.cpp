#include <steward/bench/peer.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace steward::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto kFarewell = 10s;  // for a peer with much to take down

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error(path + " is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

int stream_socket() {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("cannot open a socket");
  return fd;
}

}  // namespace

Lines Lines::connect(const std::string& path) {
  Lines lines(stream_socket());
  const sockaddr_un address = address_of(path);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(lines.fd_, generic, sizeof address) != 0) fail("cannot connect to " + path);
  return lines;
}

Lines& Lines::operator=(Lines&& other) noexcept {
  close();
  fd_ = std::exchange(other.fd_, -1);
  buffer_ = std::move(other.buffer_);
  return *this;
}

void Lines::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void Lines::write(const std::string& line) {
  const std::string bytes = line + '\n';
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t size = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) throw std::runtime_error("a peer has hung up");
    sent += static_cast<std::size_t>(size);
  }
}

bool Lines::read(std::string& line) {
  for (;;) {
    if (const auto end = buffer_.find('\n'); end != std::string::npos) {
      line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return true;
    }
    std::array<char, 4096> piece;
    const ssize_t size = ::read(fd_, piece.data(), piece.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    buffer_.append(piece.data(), static_cast<std::size_t>(size));
  }
}

Listening::Listening(std::string path) : path_(std::move(path)), fd_(stream_socket()) {
  const sockaddr_un address = address_of(path_);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::bind(fd_, generic, sizeof address) != 0 || ::listen(fd_, 1) != 0) {
    fail("cannot listen at " + path_);
  }
}

Listening::~Listening() {
  ::close(fd_);
  ::unlink(path_.c_str());
}

Lines Listening::accept(const Process& process) const {
  std::array<pollfd, 2> entries{{{fd_, POLLIN, 0}, {process.sentinel(), POLLIN, 0}}};
  while (::poll(entries.data(), entries.size(), -1) < 0 && errno == EINTR) {
  }
  if (entries[0].revents == 0) {
    throw std::runtime_error("the process " + process.name() + " ended before it was ready");
  }
  const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) fail("cannot accept at " + path_);
  return Lines(fd);
}

int Peer::next_number() {
  static int number = 0;
  return ++number;
}

void Peer::await_ready() {
  lines_ = listening_.accept(process_);
  constexpr std::string_view kReady = "ready";
  if (!lines_.read(text_) || !text_.starts_with(kReady)) {
    throw std::runtime_error("the peer " + process_.name() + " did not become ready: " + text_);
  }
  text_.erase(0, std::min(text_.size(), kReady.size() + 1));
}

Peer::~Peer() {
  lines_.close();
  try {
    if (!process_.join(kFarewell)) process_.kill();
    process_.join();
  } catch (const std::exception&) {
    // Then it ends with this program.
  }
}

void Peer::begin(const std::string& operation, std::size_t count) {
  lines_.write(operation + ' ' + std::to_string(count));
}

Run Peer::finish() {
  std::string line;
  if (!lines_.read(line)) {
    throw std::runtime_error("the process " + process_.name() + " ended within a measurement");
  }
  if (line.starts_with('!')) throw std::runtime_error(process_.name() + ": " + line.substr(2));
  std::istringstream in(line);
  Run run;
  in >> run.calls >> run.seconds;
  if (!in) throw std::runtime_error(process_.name() + " answered: " + line);
  for (double number; in >> number;) run.more.push_back(number);
  return run;
}

bool Answers::answer() {
  std::string line;
  if (!lines_.read(line)) return false;
  std::istringstream in(line);
  std::string name;
  std::size_t count = 0;
  in >> name >> count;
  std::ostringstream out;
  out.precision(12);
  try {
    const Run run = operations_.at(name)(count);
    out << run.calls << ' ' << run.seconds;
    for (const double number : run.more) out << ' ' << number;
  } catch (const std::exception& error) {
    out << "! " << name << ": " << error.what();
  }
  lines_.write(out.str());
  return true;
}

void Answers::serve(const std::string& text) {
  lines_.write("ready " + text);
  while (answer()) {
  }
}

void Answers::serve_and(std::chrono::milliseconds every, const std::function<void()>& idle) {
  lines_.write("ready");
  for (;;) {
    pollfd entry{lines_.fd(), POLLIN, 0};
    const int ready =
        lines_.buffered() ? 1 : ::poll(&entry, 1, static_cast<int>(every.count()));
    if (ready > 0 && !answer()) return;
    if (ready == 0) idle();
  }
}

Run distribution(std::size_t count, const std::function<void()>& once) {
  std::vector<double> micros;
  micros.reserve(count);
  Run run = timed(count, [&] { micros.push_back(timed(1, once).micros()); });
  std::sort(micros.begin(), micros.end());
  run.more = {micros[count / 2], micros[count * 99 / 100]};
  return run;
}

std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream in(path != nullptr ? path : "");
  for (std::string directory; std::getline(in, directory, ':');) {
    const std::string program = directory + "/" + name;
    if (::access(program.c_str(), X_OK) == 0) return program;
  }
  return {};
}

void become(std::vector<std::string> arguments) {
  const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ::dup2(null, STDOUT_FILENO);
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  ::execv(pointers.front(), pointers.data());
  ::_exit(127);
}

}  // namespace steward::bench
