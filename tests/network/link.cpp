#include <steward/tests/network/link.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <vector>

namespace steward::detail::test {
namespace {

using std::chrono::steady_clock;

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

shm::UniqueFd make_socket() {
  return shm::UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

void be_quick(int fd) {
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
}

}  // namespace

Link::Link(const std::string& server)
    : port_of_server_(std::stoi(server.substr(server.rfind(':') + 1))),
      listener_(make_socket()),
      notifier_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_.get(), raw, size) != 0 || ::listen(listener_.get(), 256) != 0 ||
      ::getsockname(listener_.get(), raw, &size) != 0) {
    throw std::runtime_error("the link cannot listen");
  }
  ::fcntl(listener_.get(), F_SETFL, O_NONBLOCK);
  address_ = "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  thread_ = std::thread([this] { run(); });
}

Link::~Link() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
  thread_.join();
}

void Link::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(notifier_.get(), &one, sizeof one);
}

void Link::cut() {
  const std::lock_guard lock(mutex_);
  connections_.clear();
  wake();
}

void Link::block(bool yes) {
  const std::lock_guard lock(mutex_);
  blocked_ = yes;
  wake();
}

void Link::stall(Way way, bool yes) {
  const std::lock_guard lock(mutex_);
  stalled_[static_cast<int>(way)] = yes;
  wake();
}

void Link::go_half_open(Told told) {
  const std::lock_guard lock(mutex_);
  for (Connection& connection : connections_) {
    connection.dead = true;
    (told == Told::client ? connection.client : connection.server).reset();
  }
  wake();
}

void Link::delay(std::chrono::milliseconds each_way) {
  const std::lock_guard lock(mutex_);
  delay_ = each_way;
  wake();
}

int Link::made() const {
  const std::lock_guard lock(mutex_);
  return made_;
}

void Link::run() {
  for (;;) {
    wait();
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    accept();
    for (auto place = connections_.begin(); place != connections_.end();) {
      place = carry(*place) ? std::next(place) : connections_.erase(place);
    }
  }
}

void Link::wait() {
  std::vector<pollfd> entries{{notifier_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
  int longest = -1;
  {
    const std::lock_guard lock(mutex_);
    for (const Connection& connection : connections_) {
      for (const Stream& stream : connection.streams) {
        const bool stalled = stalled_[&stream - connection.streams];
        if (!connection.dead && !stalled) entries.push_back({stream.from->get(), POLLIN, 0});
        if (stream.under_way.empty() || stalled) continue;
        longest = 1;  // what is due, or finds its receiver full
      }
    }
  }
  ::poll(entries.data(), entries.size(), longest);
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t size = ::read(notifier_.get(), &count, sizeof count);
}

void Link::accept() {
  for (;;) {
    shm::UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) return;
    if (blocked_) continue;
    shm::UniqueFd server = make_socket();
    const sockaddr_in address = loopback(port_of_server_);
    if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      continue;
    }
    be_quick(client.get());
    be_quick(server.get());
    Connection& made = connections_.emplace_back();
    made.client = std::move(client);
    made.server = std::move(server);
    made.streams[static_cast<int>(Way::to_server)] = {&made.client, &made.server, {}};
    made.streams[static_cast<int>(Way::to_client)] = {&made.server, &made.client, {}};
    ++made_;
  }
}

bool Link::carry(Connection& connection) {
  if (connection.dead) return true;
  for (Stream& stream : connection.streams) {
    const bool stalled = stalled_[&stream - connection.streams];
    // A stalled way takes nothing in: its sender fills up, as it would.
    if (!stalled && !take_in(stream)) return false;
    if (!pass_on(stream, stalled)) return false;
  }
  return true;
}

bool Link::take_in(Stream& stream) {
  std::array<char, 16384> bytes;
  for (;;) {
    const ssize_t size = ::recv(stream.from->get(), bytes.data(), bytes.size(), 0);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    if (size == 0) return false;
    stream.under_way.push_back({steady_clock::now() + delay_,
                                std::string(bytes.data(), static_cast<std::size_t>(size))});
  }
}

bool Link::pass_on(Stream& stream, bool stalled) {
  while (!stalled && !stream.under_way.empty() &&
         stream.under_way.front().due <= steady_clock::now()) {
    std::string& bytes = stream.under_way.front().bytes;
    const ssize_t size = ::send(stream.to->get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    bytes.erase(0, static_cast<std::size_t>(size));
    if (!bytes.empty()) return true;
    stream.under_way.pop_front();
  }
  return true;
}

}  // namespace steward::detail::test
