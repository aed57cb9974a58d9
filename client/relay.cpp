#include <steward/client/relay.hpp>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>
#include <vector>

#include <steward/core/errors.hpp>
#include <steward/shm/fd_passing.hpp>

namespace steward::client {
namespace {

// What epoll says beside the numbers of lines, which begin behind these.
enum Watched : std::uint64_t { kTrunk, kBell, kHandoff, kFirstLine };

// So many events before the users' sockets are looked at.
constexpr int kEventsAtOnce = 256;
// And so many frames of one user before the others.
constexpr int kFramesAtOnce = 16;
constexpr int kProbeMs = 5000;

shm::UniqueFd required(int fd) {
  if (fd < 0) throw Overloaded("no descriptor is left for a connection over tcp");
  return shm::UniqueFd(fd);
}

}  // namespace

Relay::Relay(HeldEnds& ends, std::unique_ptr<Trunk> trunk)
    : ends_(ends),
      trunk_(std::move(trunk)),
      bell_(required(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))),
      epoll_(required(::epoll_create1(EPOLL_CLOEXEC))),
      last_id_(kFirstLine),
      next_probe_(std::chrono::steady_clock::now() + std::chrono::milliseconds(kProbeMs)) {
  for (const pollfd& entry : trunk_->poll_fds()) watch(entry.fd, kTrunk);
  watch(bell_.get(), kBell);
}

// Who waits for the end of the handoff wants the place to be free.
Relay::~Relay() {
  lines_.clear();
  trunk_.reset();
}

std::unique_ptr<Relay> Relay::of_listener(HeldEnds& ends, std::unique_ptr<Trunk> trunk,
                                          HeldEnds::End handoff, std::size_t backlog) {
  std::unique_ptr<Relay> relay(new Relay(ends, std::move(trunk)));
  relay->handoff_ = std::move(handoff);
  relay->listening_ = true;
  relay->backlog_ = backlog;
  relay->watch(relay->handoff_.get(), kHandoff);
  return relay;
}

std::unique_ptr<Relay> Relay::of_connection(HeldEnds& ends, std::unique_ptr<Trunk> trunk,
                                            HeldEnds::End local) {
  std::unique_ptr<Relay> relay(new Relay(ends, std::move(trunk)));
  relay->add({}, std::move(local));
  return relay;
}

void Relay::watch(int fd, std::uint64_t id) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = id;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    throw SystemError(errno, "cannot watch a descriptor");
  }
}

Relay::Line& Relay::add(std::string route, HeldEnds::End local) {
  const std::uint64_t id = ++last_id_;
  by_route_[route] = id;
  Line& line = lines_[id];
  line.route = std::move(route);
  line.channel = std::make_unique<Channel>(std::move(local));
  watch_as_needed(id, line);
  return line;
}

// A socket that has hung up is told of for ever, and therefore not watched where nothing is to be
// done about it.
void Relay::watch_as_needed(std::uint64_t id, Line& line) {
  const std::uint32_t wanted = (line.channel->wants_to_read() ? EPOLLIN : 0U) |
                               (line.channel->wants_to_write() ? EPOLLOUT : 0U);
  if (wanted == line.watched) return;
  epoll_event event{};
  event.events = wanted;
  event.data.u64 = id;
  const int operation = wanted == 0         ? EPOLL_CTL_DEL
                        : line.watched == 0 ? EPOLL_CTL_ADD
                                            : EPOLL_CTL_MOD;
  if (::epoll_ctl(epoll_.get(), operation, line.channel->fd(), &event) != 0) {
    throw SystemError(errno, "cannot watch a descriptor");
  }
  line.watched = wanted;
}

void Relay::run() {
  const auto goes_on = [this] { return !lines_.empty() || listening_; };
  while (goes_on()) {
    const bool drained = take_in();
    tell_of_place();
    if (goes_on()) wait(drained);
  }
}

void Relay::leave() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(bell_.get(), &one, sizeof one);
}

// ---- From the trunk ----

// Whether it is drained.
bool Relay::take_in() {
  TrunkEvent event;
  for (int count = 0; count < kEventsAtOnce; ++count) {
    if (!trunk_->receive(event)) return true;
    on_event(event);
  }
  return false;
}

void Relay::on_event(TrunkEvent& event) {
  const auto known = by_route_.find(event.route);
  const std::uint64_t id = known == by_route_.end() ? 0 : known->second;
  if (event.kind == TrunkEvent::Kind::gone) {
    if (id == 0) return;
    by_route_.erase(known);
    lines_.at(id).channel->heard_the_end();
    lines_.at(id).end_said = true;
    return advance(id);
  }
  const std::optional<TrunkFrame> frame = decode_frame(event.frame);
  if (id != 0) {
    // What makes no sense ends the connection: its far end is no relay of ours.
    on_frame(lines_.at(id), frame.value_or(TrunkFrame{FrameKind::refused, {}, 0}));
    advance(id);
  } else if (frame && frame->kind == FrameKind::hello) {
    if (listening_) return open(event.route);
    // The port stays as long as there are connections: ZeroMQ would end them with it.
    trunk_->send(event.route, encode_frame({FrameKind::end, {}, 0}));
  }
}

void Relay::on_frame(Line& line, const TrunkFrame& frame) {
  Channel& channel = *line.channel;
  bool decent = false;
  switch (frame.kind) {
    case FrameKind::data: decent = channel.deliver(frame.bytes); break;
    case FrameKind::taken: decent = channel.taken(frame.count); break;
    case FrameKind::end:
      channel.heard_the_end();
      return;
    case FrameKind::hello:
    case FrameKind::welcome:
    case FrameKind::refused: break;
  }
  if (!decent) channel.heard_the_end();
}

// A new connection: its socket goes to whoever accepts.
void Relay::open(const std::string& route) {
  const auto refuse = [&](std::string_view why) {
    trunk_->send(route, encode_frame({FrameKind::refused, why, 0}));
  };
  constexpr std::string_view kTooMany = "too many wait to be accepted";
  if (waiting_ >= backlog_) return refuse(kTooMany);
  HeldEnds::Pair pair;
  try {
    pair = ends_.stream_pair();
    shm::send_with_fds(handoff_.get(), "c", {pair.user.get()});
  } catch (const std::system_error& error) {
    const int why = error.code().value();
    const bool full = why == EAGAIN || why == EWOULDBLOCK || why == ETOOMANYREFS;
    return refuse(full ? kTooMany : error.what());
  }
  ++waiting_;
  Line& line = add(route, std::move(pair.relay));
  say(line, {FrameKind::welcome, {}, 0});
}

// ---- To the trunk ----

bool Relay::say(Line& line, const TrunkFrame& frame) {
  if (line.end_said) return false;
  if (trunk_->send(line.route, encode_frame(frame))) return true;
  line.channel->heard_the_end();
  line.end_said = true;
  return false;
}

bool Relay::advance(Line& line) {
  Channel& channel = *line.channel;
  if (const std::uint64_t through = channel.write(); through > 0) {
    say(line, {FrameKind::taken, {}, through});
  }
  for (int count = 0; count < kFramesAtOnce && channel.wants_to_read(); ++count) {
    const std::string bytes = channel.read();
    if (bytes.empty()) break;
    say(line, {FrameKind::data, bytes, 0});
  }
  // Who has closed hears nothing more either. Who heard the end is still told all before it.
  const bool last_word = channel.heard() ? channel.finished() : channel.spoken();
  if (last_word && !line.end_said) {
    say(line, {FrameKind::end, {}, 0});
    line.end_said = true;
  }
  return !channel.finished();
}

void Relay::advance(std::uint64_t id) {
  const auto line = lines_.find(id);
  if (line == lines_.end()) return;
  if (advance(line->second)) return watch_as_needed(id, line->second);
  // A forked child may have the same socket open: closing it here would not be enough.
  if (line->second.watched != 0) {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, line->second.channel->fd(), nullptr);
  }
  const auto route = by_route_.find(line->second.route);
  if (route != by_route_.end() && route->second == id) by_route_.erase(route);
  lines_.erase(line);
}

// ---- Waiting ----

// Users are looked at also while there is more from the trunk.
void Relay::wait(bool drained) {
  std::array<epoll_event, 64> events;
  probe();
  // What was sent may have swallowed the edge of what has come.
  const bool more = !drained || trunk_->readable();
  const int timeout = more ? 0 : lines_.empty() ? -1 : kProbeMs;
  const int count =
      ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout);
  for (int i = 0; i < count; ++i) {
    switch (const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64) {
      case kTrunk: break;
      case kBell: on_bell(); break;
      case kHandoff: on_handoff(); break;
      default: advance(id);
    }
  }
}

// Now and then every line says something, if only nothing: a trunk may notice by that alone that a
// route is gone.
void Relay::probe() {
  const core::Time now = std::chrono::steady_clock::now();
  if (now < next_probe_) return;
  next_probe_ = now + std::chrono::milliseconds(kProbeMs);
  std::vector<std::uint64_t> gone;
  for (auto& [id, line] : lines_) {
    if (!line.end_said && !say(line, {FrameKind::taken, {}, 0})) gone.push_back(id);
  }
  for (const std::uint64_t id : gone) advance(id);
}

void Relay::on_handoff() {
  char word = 0;
  ssize_t count = 0;
  while ((count = ::recv(handoff_.get(), &word, 1, MSG_DONTWAIT)) == 1 && word == kAccepted[0]) {
    if (waiting_ > 0) --waiting_;
  }
  const bool more_later = count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  if (!more_later) stop_listening();
}

void Relay::stop_listening() {
  if (!std::exchange(listening_, false)) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, handoff_.get(), nullptr);
  // What users have closed before they closed the listener is seen now.
  for (const std::uint64_t id : ids()) advance(id);
}

// Whoever closes a listener waits for the end of the handoff. What is over soon is worth waiting
// for, since then the place is free; what goes on is not.
void Relay::tell_of_place() {
  if (listening_ || !handoff_) return;
  for (const auto& [id, line] : lines_) {
    if (!line.channel->spoken()) return handoff_.reset();
  }
}

void Relay::on_bell() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t size = ::read(bell_.get(), &count, sizeof count);
  stop_listening();
  for (const std::uint64_t id : ids()) {
    lines_.at(id).channel->let_finish();
    advance(id);
  }
}

std::vector<std::uint64_t> Relay::ids() const {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, line] : lines_) ids.push_back(id);
  return ids;
}

}  // namespace steward::client
