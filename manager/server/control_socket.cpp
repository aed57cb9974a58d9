#include <steward/manager/server/control_socket.hpp>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iterator>
#include <system_error>
#include <utility>

#include <steward/core/auth.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/wire.hpp>
#include <steward/core/writer.hpp>
#include <steward/manager/server/descriptors.hpp>
#include <steward/shm/fd_passing.hpp>
#include <steward/shm/pidfd.hpp>

namespace steward::detail::server {
namespace {

constexpr int kConnectRequestsWaiting = 1024;  // accepted by the kernel, not yet by us
constexpr std::string_view kNoDescriptors = "the manager has no descriptors left";
constexpr std::size_t kConnectRequestBytes = 64;
// A full batch of peers must not keep the loop from everybody else.
constexpr int kAcceptsPerRound = 64;
// Out of descriptors, a listening socket stays readable: looking away keeps the loop from spinning.
constexpr std::chrono::milliseconds kPause{100};

shm::UniqueFd listening_socket(const std::string& path) {
  shm::UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw SystemError(ENAMETOOLONG, path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (!socket ||
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket.get(), kConnectRequestsWaiting) != 0) {
    throw SystemError(errno, "cannot listen at " + path);
  }
  return socket;
}

std::optional<ucred> credentials_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
  return credentials;
}

std::string answer(const std::string& ticket, const ControlSocket::Welcome& welcome) {
  std::string bytes;
  core::Writer writer(bytes);
  writer.array(4);
  writer.natural(core::kProtocolVersion);
  writer.bytes(ticket);
  writer.bytes(welcome.incarnation.view());
  writer.array(welcome.addresses.size());
  for (const std::string& address : welcome.addresses) writer.string(address);
  return bytes;
}

std::string refusal(std::string_view reason, bool for_good = false) {
  std::string bytes;
  core::Writer writer(bytes);
  writer.array(for_good ? 4 : 3);
  writer.natural(core::kProtocolVersion);
  writer.nil();
  writer.string(reason);
  if (for_good) writer.boolean(true);
  return bytes;
}

// [1, word]
bool is_word(std::string_view bytes, std::string_view word) {
  try {
    core::Reader reader(bytes);
    reader.array_of(2);
    if (reader.natural() != core::kProtocolVersion || reader.string() != word) return false;
    reader.finish();
    return true;
  } catch (const BadCall&) {
    return false;
  }
}

std::optional<core::ObjectId> ring_wanted(std::string_view bytes) {
  try {
    core::Reader reader(bytes);
    reader.array_of(3);
    if (reader.natural() != core::kProtocolVersion || reader.string() != "ring") return {};
    const core::ObjectId object{reader.natural()};
    reader.finish();
    return object;
  } catch (const BadCall&) {
    return std::nullopt;
  }
}

// False: the peer is gone, or does not read even this.
bool try_send(int socket, std::string_view bytes, const std::vector<int>& fds) {
  try {
    shm::send_with_fds(socket, bytes, fds);
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

}  // namespace

void RingRequest::grant(std::uint64_t maxsize, int fd) const {
  std::string bytes;
  core::Writer writer(bytes);
  writer.array(3);
  writer.natural(core::kProtocolVersion);
  writer.string("ring");
  writer.natural(maxsize);
  try_send(socket.get(), bytes, {fd});
}

void RingRequest::refuse(std::string_view reason, Holds holds) const {
  try_send(socket.get(), refusal(reason, holds == Holds::for_good), {});
}

void Inquiry::answer(std::uint64_t started_unix_ms, std::size_t objects,
                     const std::vector<std::string>& addresses) const {
  std::string bytes;
  core::Writer writer(bytes);
  writer.array(5);
  writer.natural(core::kProtocolVersion);
  writer.string("about");
  writer.natural(started_unix_ms);
  writer.natural(objects);
  writer.array(addresses.size());
  for (const std::string& address : addresses) writer.string(address);
  try_send(socket.get(), bytes, {});
}

ControlSocket::ControlSocket(Poller& poller, Clock clock, const std::string& path, Welcome welcome,
                   core::Limits limits, std::size_t descriptors)
    : poller_(poller),
      clock_(std::move(clock)),
      socket_(listening_socket(path)),
      listening_{socket_.get()},
      own_pidfd_(shm::pidfd_of(::getpid())),
      welcome_(std::move(welcome)),
      limits_(limits),
      descriptors_(descriptors) {
  listen();
}

ControlSocket::~ControlSocket() {
  while (!pending_.empty()) drop(pending_.begin());
  for (const int socket : listening_) poller_.remove(socket);
}

void ControlSocket::listen() {
  closed_until_.reset();
  for (const int socket : listening_) poller_.add(socket, [this, socket] { accept(socket); });
}

void ControlSocket::open_at(int listening) {
  listening_.push_back(listening);
  if (!closed_until_) poller_.add(listening, [this, listening] { accept(listening); });
}

void ControlSocket::accept(int listening) {
  for (int round = 0; round < kAcceptsPerRound; ++round) {
    shm::UniqueFd socket(
        ::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket) {
      add(std::move(socket));
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      for (const int socket : listening_) poller_.remove(socket);
      closed_until_ = clock_() + kPause;
      return;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return;
    }
  }
}

void ControlSocket::add(shm::UniqueFd socket) {
  // The kernel gives the lowest number that is free: a high one says how many are open.
  if (static_cast<std::size_t>(socket.get()) + kReservedDescriptors >= descriptors_) {
    try_send(socket.get(), refusal(kNoDescriptors), {});
    ++turned_away_;
    return;
  }
  const auto credentials = credentials_of(socket.get());
  if (!credentials || credentials->uid != ::geteuid()) {
    try_send(socket.get(), refusal("another user's manager"), {});
    ++turned_away_;
    return;
  }
  if (pending_.size() >= limits_.handshakes) drop(pending_.begin());
  const int fd = socket.get();
  const core::Time deadline = clock_() + limits_.handshake_time;
  pending_.push_back({{std::move(socket), {}, credentials->pid}, {}, deadline});
  const Place place = std::prev(pending_.end());
  poller_.add(fd, [this, place] { serve(place); });
}

std::string ControlSocket::objection(Place place, const std::string& bytes,
                                std::vector<shm::UniqueFd>& fds) const {
  if (!is_word(bytes, "door") || fds.size() != 1) {
    return "this is no request to a manager's control socket";
  }
  try {
    const std::string objection =
        shm::objection_to(fds[0].get(), place->peer.pid, "the caller", "the manager");
    return objection.empty() ? refusal_ : objection;
  } catch (const SystemError&) {
    return std::string(kNoDescriptors);
  }
}

void ControlSocket::serve(Place place) {
  const int socket = place->peer.socket.get();
  shm::Received received;
  try {
    received = shm::receive_with_fds(socket, kConnectRequestBytes, shm::Wait::none);
  } catch (const std::system_error& error) {
    if (error.code().value() == EMFILE) try_send(socket, refusal(kNoDescriptors), {});
    return drop(place);
  }
  if (received.would_block) return;
  // Gone, or more talk before its ticket was redeemed.
  if (!received.message || !place->ticket.empty()) return drop(place);

  auto& [bytes, fds] = *received.message;
  if (const auto object = ring_wanted(bytes); object && fds.empty()) {
    ring_requests_.push_back({release(place), *object});
    return;
  }
  if (is_word(bytes, "about") && fds.empty()) {
    inquiries_.push_back({release(place)});
    return;
  }
  const std::string reason = objection(place, bytes, fds);
  if (!reason.empty()) {
    try_send(socket, refusal(reason), {});
    return drop(place);
  }
  place->peer.pidfd = std::move(fds[0]);
  place->ticket = core::random_bytes(core::kChallengeBytes);
  place->deadline = clock_() + limits_.handshake_time;
  pending_.splice(pending_.end(), pending_, place);
  tickets_.emplace(place->ticket, place);
  if (!try_send(socket, answer(place->ticket, welcome_), {own_pidfd_.get()})) drop(place);
}

void ControlSocket::drop(Place place) {
  ++turned_away_;
  tickets_.erase(place->ticket);
  poller_.remove(place->peer.socket.get());
  pending_.erase(place);
}

shm::UniqueFd ControlSocket::release(Place place) {
  poller_.remove(place->peer.socket.get());
  shm::UniqueFd socket = std::move(place->peer.socket);
  pending_.erase(place);
  return socket;
}

std::optional<LocalPeer> ControlSocket::redeem(std::string_view ticket) {
  const auto found = tickets_.find(std::string(ticket));
  if (found == tickets_.end()) return std::nullopt;
  const Place place = found->second;
  LocalPeer peer = std::move(place->peer);
  poller_.remove(peer.socket.get());
  tickets_.erase(found);
  pending_.erase(place);
  return peer;
}

void ControlSocket::tick(core::Time now) {
  while (!pending_.empty() && pending_.front().deadline <= now) drop(pending_.begin());
  if (closed_until_ && *closed_until_ <= now) listen();
}

core::Deadline ControlSocket::next_deadline() const {
  if (pending_.empty()) return closed_until_;
  const core::Time oldest = pending_.front().deadline;
  return closed_until_ ? std::min(*closed_until_, oldest) : oldest;
}

}  // namespace steward::detail::server
