#include <steward/manager/server/server.hpp>

#include <malloc.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <utility>

#include <steward/core/auth.hpp>
#include <steward/core/errors.hpp>
#include <steward/manager/server/descriptors.hpp>
#include <steward/manager/server/input_log.hpp>

namespace steward::detail::server {
namespace {

// What one pass takes in. More would make the first client in a batch wait for the last.
constexpr std::size_t kBatchFrames = 256;
constexpr core::Duration kPassTime = std::chrono::microseconds(500);
constexpr std::size_t kBatchBytes = 16U << 20U;
// A frame's memory is kept for the next one up to this size.
constexpr std::size_t kKeptBytes = 64U << 10U;
// A manager that could serve only a handful of clients should not start.
constexpr std::size_t kDescriptorFloor = 128;
constexpr std::size_t kOwnDescriptors = 64;
constexpr int kControlBacklog = 1024;

Identity new_identity(std::vector<std::string> addresses) {
  Identity identity;
  identity.incarnation = core::random_id<core::Incarnation>();
  identity.addresses = std::move(addresses);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  identity.started_unix_ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  const std::string seed = core::random_bytes(identity.seed.bytes.size());
  std::ranges::copy(seed, identity.seed.bytes.begin());
  return identity;
}

core::Deadline earlier(core::Deadline a, core::Deadline b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

ServerOptions within(ServerOptions options, std::size_t descriptors) {
  const std::size_t for_clients = descriptors - std::min(descriptors, kOwnDescriptors);
  // With a tcp address remote sessions decide, which cost the fewest descriptors: the control
  // socket counts those of local ones itself.
  const std::size_t each =
      options.entrance.address.empty() ? kDescriptorsPerSession : kDescriptorsPerRemoteSession;
  options.limits.sessions = std::min(options.limits.sessions, for_clients / each);
  return options;
}

}  // namespace

Server::Server(Registry classes, ServerOptions options)
    : Server(std::make_unique<Directory>(), nullptr, std::move(classes),
             std::move(options), raise_descriptor_limit(kDescriptorFloor)) {}

Server::Server(std::unique_ptr<Directory> directory, std::unique_ptr<Listener> listener,
               Registry classes, ServerOptions options)
    : Server(std::move(directory), std::move(listener), std::move(classes), std::move(options),
             raise_descriptor_limit(kDescriptorFloor)) {}

Server::Server(std::unique_ptr<Directory> directory, std::unique_ptr<Listener> listener,
               Registry classes, ServerOptions options, std::size_t descriptors)
    : classes_(std::move(classes)),
      options_(within(std::move(options), descriptors)),
      engine_(options_.engine != nullptr ? *options_.engine : memory_),
      directory_(std::move(directory)),
      listener_(listener ? std::move(listener)
                         : listen_zmq(*directory_, options_.limits, options_.entrance)),
      addresses_(listener_->addresses()),
      core_(std::make_unique<Core>(new_identity(addresses_), classes_, options_.limits)),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!stop_) throw SystemError(errno, "cannot make an eventfd");
  now_ = options_.clock();
  statistics_.emplace(classes_, now_);
  liveness_.emplace(poller_, options_.limits.session_lease);
  outbox_.emplace(*listener_, options_.limits);
  rings_.emplace(poller_, options_.limits, descriptors);
  // The control socket is made last: everything that serves those who connect to it is there.
  if (directory_) {
    control_.emplace(poller_, options_.clock, directory_->control(),
                  ControlSocket::Welcome{core_->identity().incarnation, addresses_},
                  options_.limits, descriptors);
    if (!options_.control.empty()) {
      control_path_.emplace(options_.control, SOCK_SEQPACKET, kControlBacklog);
      control_->open_at(control_path_->fd());
    }
  }
  connections_.emplace(*core_, control_ ? &*control_ : nullptr, *liveness_, *outbox_,
                       [this](const Input& input) { feed(input); }, options_.note);
  watch_listener();
  core::erase(options_.entrance.key);  // what is needed of it was derived
  if (!options_.entrance.address.empty()) flood_guard_.emplace(options_.limits.message_bytes);
  end_with(stop_.get());
}

void Server::watch_listener() {
  for (const int fd : listener_->fds()) {
    poller_.add(fd, [this] { listener_woke_ = true; });
  }
}

Server::~Server() {
  try {
    shut_down();
  } catch (const std::exception&) {
    // Clients see the end all the same: their control sockets close.
  }
}

void Server::end_with(int fd) {
  poller_.add(fd, [this, fd] {
    poller_.remove(fd);
    ended_ = true;
  });
}

void Server::stop() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);
}

void Server::run() {
  while (!ended_) step(std::nullopt);
  shut_down();
}

void Server::step(std::optional<core::Duration> longest) {
  const core::Time before = now_;
  const std::optional<core::Duration> patience = wait(longest);
  batch_size_ = 0;
  collect(burst_);
  // Only now who has died: what a process did before its end is in the batch, or lost with it, and
  // whoever has seen the end finds it done.
  poller_.wait(core::Duration::zero());
  if (liveness_->has_dead()) collect(kBatchFrames);
  now_ = std::max(now_, options_.clock());
  excuse_silence(before, patience);

  apply_batch();
  expire_leases();
  const auto is_due = [&] {
    const auto due = core_->next_deadline();
    return due && *due <= now_;
  };
  if (is_due()) {
    pass_gate();  // what a ring has comes before the end of the wait for it
    if (is_due()) feed(input::Tick{});
  }
  if (control_) {
    control_->refuse(core_->number_of_sessions() < options_.limits.sessions
                      ? ""
                      : "the manager has as many sessions as it may");
    control_->tick(now_);
    serve_ring_requests();
    answer_inquiries();
  }
  pass_gate();
  if (std::exchange(listener_woke_, false)) outbox_->retry_soon();
  outbox_->retry(now_);
  // Whom the outbox found gone or too slow: that too changes what others may have.
  connections_->look_at_outbox();
  pass_gate();
  if (flood_guard_) look_for_floods();
}

// Who floods cannot be told from the others, and a ROUTER cannot cut one peer. So all are cut, and
// those who mean well resume their sessions.
void Server::look_for_floods() {
  flood_guard_->explain(statistics_->bytes_received() + outbox_->sent().bytes);
  if (!flood_guard_->floods(now_, connections_->remote_sessions())) return;
  for (const int fd : listener_->fds()) poller_.remove(fd);
  listener_->cut_remote();
  watch_listener();
  ::malloc_trim(0);
  if (options_.note) options_.note("cut all remote connections: one sends without end");
}

std::optional<core::Duration> Server::wait(std::optional<core::Duration> longest) {
  // After an empty look the next one is for a single frame: each look in vain costs system calls.
  // Where more waits, twice as many are taken each time, but no more than are soon dealt with:
  // replies leave at the end of a pass, and nobody is to wait long for what others have sent.
  if (listener_->readable()) {
    const bool soon = options_.clock() - now_ <= kPassTime;
    burst_ = soon ? std::min(2 * burst_, kBatchFrames) : std::max<std::size_t>(burst_ / 2, 1);
    return core::Duration::zero();
  }
  burst_ = 1;
  std::optional<core::Duration> patience = longest;
  if (const auto deadline = next_deadline()) {
    const core::Duration until = std::max(core::Duration::zero(), *deadline - options_.clock());
    patience = patience ? std::min(*patience, until) : until;
  }
  poller_.wait(patience);
  return patience;
}

// A pass that took longer than it may have waited: this process was stopped, alone or with its
// machine, or had too much to do. What clients have sent meanwhile was not heard.
void Server::excuse_silence(core::Time before, std::optional<core::Duration> patience) {
  constexpr core::Duration kStoodStill = std::chrono::seconds(1);
  if (!patience) return;  // there was no lease to wait for
  const core::Duration late = now_ - before - *patience;
  if (late >= std::min(kStoodStill, core::Duration(options_.limits.session_lease) / 4)) {
    liveness_->excuse(now_);
  }
}

// Only now whose lease is over: what clients have sent, this pass has heard.
void Server::expire_leases() {
  liveness_->expire(now_);
  for (const core::SessionId& session : liveness_->take_dead()) connections_->died(session);
}

core::Deadline Server::next_deadline() const {
  core::Deadline next = earlier(core_->next_deadline(), outbox_->next_deadline());
  next = earlier(next, liveness_->next_deadline());
  next = earlier(next, rings_->next_deadline());
  if (flood_guard_) next = earlier(next, flood_guard_->next_look());
  return control_ ? earlier(next, control_->next_deadline()) : next;
}

void Server::collect(std::size_t frames) {
  std::size_t bytes = 0;
  while (batch_size_ < frames && bytes < kBatchBytes) {
    if (batch_size_ == batch_.size()) batch_.emplace_back();
    Arrival& arrival = batch_[batch_size_];
    if (arrival.frame.capacity() > kKeptBytes) arrival.frame = {};
    if (!listener_->receive(arrival)) return;
    bytes += arrival.frame.size();
    statistics_->arrived(arrival.frame.size());
    ++batch_size_;
  }
}

// Of a session that has died its own requests are applied first, then its death, then the others'.
void Server::apply_batch() {
  const std::vector<core::SessionId> dead = liveness_->take_dead();
  std::vector<bool> done(dead.empty() ? 0 : batch_size_);
  for (const core::SessionId& session : dead) {
    for (std::size_t i = 0; i < batch_size_; ++i) {
      if (done[i] || connections_->session_at(batch_[i].route) != session) continue;
      done[i] = true;
      connections_->receive(batch_[i], now_);
    }
    connections_->died(session);
  }
  if (!dead.empty()) rings_->process_died(now_);
  for (std::size_t i = 0; i < batch_size_; ++i) {
    if (dead.empty() || !done[i]) connections_->receive(batch_[i], now_);
  }
}

void Server::feed(const Input& input) {
  const auto* request = std::get_if<input::Request>(&input);
  if (request == nullptr || !core_->answer(*request, now_, outputs_)) {
    if (engine_.keeps()) inputs_.push_back(encode_input(input, now_));
    core_->apply(input, now_, outputs_);
  }
  rings_->take(outputs_.work);
  if (outputs_.shutdown) ended_ = true;
  keep_statistics();
  connections_->take(outputs_);
}

void Server::keep_statistics() {
  for (const Outputs::Ended& call : outputs_.ended) statistics_->count(call);
  outputs_.ended.clear();
  for (const auto& [session, seq] : std::exchange(outputs_.asked, {})) {
    const std::string report = core::encoded(
        statistics_->report(*core_, connections_->incidents(), outbox_->sent(), rings_->size(),
                            now_));
    auto reply = std::make_shared<std::string>();
    core::append_reply(*reply, {seq, core::ErrorCode::ok, report});
    outputs_.replies.push_back({session, std::move(reply)});
  }
}

void Server::append_inputs() {
  if (inputs_.empty()) return;
  engine_.append(inputs_);
  inputs_.clear();
}

void Server::pass_gate() {
  append_inputs();
  // Rings are outside: what is done there must follow from inputs that are kept, and what comes of
  // it are inputs again.
  for (;;) {
    const std::vector<RingHost::Done> results = rings_->perform(now_);
    if (results.empty()) break;
    for (const RingHost::Done& done : results) {
      WorkResult result{
          .code = done.code, .text = done.text, .number = done.number, .let_go = done.let_go};
      for (const auto& [bytes, format, redelivered] : done.items) {
        result.items.push_back({bytes, format, redelivered});
      }
      feed(input::WorkDone{done.object, done.park, std::move(result)});
    }
    append_inputs();
  }
  outbox_->release(now_);
  liveness_->close_left();
}

void Server::serve_ring_requests() {
  for (const RingRequest& request : control_->take_ring_requests()) {
    try {
      serve(request);
    } catch (const BadCall& error) {
      request.refuse(error.what(), RingRequest::Holds::for_good);
    } catch (const StaleHandle& error) {
      request.refuse(error.what(), RingRequest::Holds::for_good);
    } catch (const std::exception& error) {
      // Descriptors or memory are short: that passes.
      request.refuse(error.what(), RingRequest::Holds::for_now);
    }
  }
}

void Server::serve(const RingRequest& request) {
  if (ended_) {
    return request.refuse("the manager is shutting down", RingRequest::Holds::for_good);
  }
  const std::uint64_t maxsize = core_->ring_maxsize(request.object);
  const auto [fd, made] = rings_->open(request.object, maxsize);
  if (made) {
    feed(input::QueueMapped{request.object});
    pass_gate();  // the items move in before anybody else is there
  }
  request.grant(maxsize, fd);
}

void Server::answer_inquiries() {
  for (const Inquiry& inquiry : control_->take_inquiries()) {
    std::vector<std::string> addresses = addresses_;
    if (control_path_) addresses.push_back("ipc://" + control_path_->path());
    inquiry.answer(core_->identity().started_unix_ms, core_->number_of_objects(), addresses);
  }
}

void Server::shut_down() {
  if (!listener_) return;
  ended_ = true;
  control_.reset();
  control_path_.reset();
  connections_->say_goodbye();
  pass_gate();
  rings_.reset();
  for (const int fd : listener_->fds()) poller_.remove(fd);
  listener_->close();
  connections_.reset();
  outbox_.reset();
  listener_.reset();
  core_.reset();
  directory_.reset();
  // Last: a client that sees its control socket close, and has not heard the last words, looks
  // whether this process is still there.
  liveness_.reset();
}

}  // namespace steward::detail::server
