#include <steward/manager/server/server.hpp>

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

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
// Beside a backlog so many frames are taken in.
constexpr std::size_t kBurstBesides = 64;
// With so much to do that can be done, only a few more are: ZeroMQ and the kernel keep the rest.
constexpr std::size_t kBacklogBytes = 64U << 20U;
constexpr std::size_t kFewFrames = 8;
// And with so much none at all, unless it is of clients that do not read.
constexpr std::size_t kBacklogBytesMost = 4 * kBacklogBytes;
// What is still there of those who have died is to be heard before their death is: so much more.
constexpr std::size_t kDrainFrames = 16'384;
constexpr std::size_t kDrainBytes = 64U << 20U;
// For so long, all of them together, the dead keep the others waiting. Those of whom more comes
// later, and those who have left more than is done in this time, are served in turn.
constexpr core::Duration kDrainTime = std::chrono::milliseconds(100);
// Where so much comes of others that it is never all heard, the dead are dead by then.
constexpr core::Duration kHearTime = std::chrono::seconds(1);
// How long it sleeps at most where the end of a connection is still to come.
constexpr core::Duration kBetweenLooks = std::chrono::milliseconds(1);
// A message of more calls is served in parts, between which the others have their turn.
constexpr std::size_t kCallsAtOnce = 32;
// And fewer at once where these take longer than that: a single one may walk along a long list.
constexpr core::Duration kPartTime = std::chrono::milliseconds(1);
// What a message may come to, where calls take long.
constexpr std::size_t kPartsMost = 65'536;
// What a call has at least.
constexpr std::size_t kCallBytes = 8;
// How long a pass serves, but for the part that it is at.
constexpr core::Duration kServeTime = std::chrono::milliseconds(5);
// Results of so many bytes leave before more are made.
constexpr std::size_t kGatheredBytes = 16U << 20U;
// A frame's memory is kept for the next one up to this size.
constexpr std::size_t kKeptBytes = 64U << 10U;
// A manager that could serve only a handful of clients should not start.
constexpr std::size_t kDescriptorFloor = 128;
constexpr std::size_t kOwnDescriptors = 64;
constexpr int kControlBacklog = 1024;
constexpr core::Duration kNoteTime = std::chrono::seconds(10);

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
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      notes_(options_.note) {
  if (!stop_) throw SystemError(errno, "cannot make an eventfd");
  now_ = heard_all_ = options_.clock();
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
                       [this](const Input& input) { feed(input); },
                       [this](std::string_view text) { notes_.say(text, now_); });
  watch_listener();
  core::erase(options_.entrance.key);  // what is needed of it was derived
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
  batch_size_ = batch_bytes_ = 0;
  const std::size_t behind = backlog_waits_ ? 0 : backlog_.bytes();
  if (behind < kBacklogBytesMost) {
    collect(behind < kBacklogBytes ? burst_ : std::min(burst_, kFewFrames), kBatchBytes);
  }
  // Only now who has died: what a process did before its end is in the batch, or lost with it, and
  // whoever has seen the end finds it done.
  poller_.wait(core::Duration::zero());
  find_dead();
  if (backlog_.bytes() < kBacklogBytesMost) hear_last_words();
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
  // Whoever has read may be served again.
  if (outbox_->retry(now_)) backlog_waits_ = false;
  // Whom the outbox found gone or too slow: that too changes what others may have.
  connections_->look_at_outbox(now_);
  pass_gate();
  note_handshakes();
  if (listener_->cut_floods(now_) > 0) {
    notes_.say("cut a remote connection: its message has no end, or its name no bounds", now_);
  }
}

// Whoever guesses keys is to be seen, and is not to fill a disk.
void Server::note_handshakes() {
  const std::uint64_t failed = listener_->handshakes_failed();
  if (failed == incidents().handshakes) return;
  connections_->note_handshakes(failed);
  if (!options_.note || now_ < next_note_) return;
  next_note_ = now_ + kNoteTime;
  options_.note(fmt::format("{} peer{} so far failed to get in over tcp: with another key, or none",
                            failed, failed == 1 ? "" : "s"));
}

std::optional<core::Duration> Server::wait(std::optional<core::Duration> longest) {
  // After an empty look the next one is for a single frame: each look in vain costs system calls.
  // Where more waits, twice as many are taken each time, but no more than are soon dealt with:
  // replies leave at the end of a pass, and nobody is to wait long for what others have sent.
  const bool behind = (!backlog_.empty() && !backlog_waits_) || !dying_.empty();
  const bool readable = listener_->readable();
  if (!readable) heard_all_ = options_.clock();
  if (readable || behind) {
    const bool soon = options_.clock() - now_ <= kPassTime;
    burst_ = soon ? std::min(2 * burst_, kBatchFrames) : std::max<std::size_t>(burst_ / 2, 1);
    // The pass has its time from the backlog: who has none there must get in all the same.
    if (!backlog_.empty()) burst_ = std::max(burst_, kBurstBesides);
    return core::Duration::zero();
  }
  burst_ = 1;
  std::optional<core::Duration> patience = longest;
  if (const auto deadline = next_deadline()) {
    const core::Time now = options_.clock();
    // A deadline may be as far back as there is time.
    const core::Duration until = *deadline <= now ? core::Duration::zero() : *deadline - now;
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

// Only those are over that were when there was nothing more to be heard: whatever clients had sent
// until then has renewed theirs.
void Server::expire_leases() {
  liveness_->expire(heard_all_);
  for (const core::SessionId& session : liveness_->take_dead()) connections_->died(session);
}

core::Deadline Server::next_deadline() const {
  core::Deadline next = earlier(core_->next_deadline(), outbox_->next_deadline());
  next = earlier(next, liveness_->next_deadline());
  next = earlier(next, rings_->next_deadline());
  next = earlier(next, listener_->next_look());
  return control_ ? earlier(next, control_->next_deadline()) : next;
}

void Server::collect(std::size_t frames, std::size_t most) {
  while (batch_size_ < frames && batch_bytes_ < most) {
    if (batch_size_ == batch_.size()) batch_.emplace_back();
    Arrival& arrival = batch_[batch_size_];
    if (!listener_->receive(arrival)) {
      heard_all_ = options_.clock();
      return;
    }
    batch_bytes_ += arrival.frame.size();
    statistics_->arrived(arrival.frame.size());
    ++batch_size_;
  }
}

void Server::find_dead() {
  for (const core::SessionId& session : liveness_->take_dead()) {
    dying_.push_back({session, connections_->route_of(session), options_.clock()});
  }
}

// What a process has sent is here when the end of its connection is: only then nothing more comes
// once the listener has nothing more. The kernel closes a process's control socket when it closes
// its connection. Where a copy of the process keeps the one open it keeps the other, and nobody
// waits for that.
void Server::hear_last_words() {
  const core::Time end = options_.clock() + kDrainTime;
  while (!std::ranges::all_of(dying_, [&](const Dying& each) { return is_heard(each); })) {
    const core::Time now = options_.clock();
    bool complete = true;
    for (Dying& each : dying_) {
      if (each.ended) continue;
      if (now >= std::min(end, each.found + kDrainTime) || each.route.empty() ||
          listener_->has_ended(each.route) || !liveness_->has_hung_up(each.session)) {
        each.ended = now;
      }
      complete = complete && each.ended;
    }
    collect(kDrainFrames, kDrainBytes);
    if (complete || batch_size_ >= kDrainFrames || batch_bytes_ >= kDrainBytes) return;
    poller_.wait(kBetweenLooks);
    find_dead();
  }
}

bool Server::is_heard(const Dying& dying) const {
  return dying.ended && heard_all_ >= *dying.ended;
}

void Server::bury_dead() {
  const std::size_t died = std::erase_if(dying_, [&](const Dying& dying) {
    if (backlog_.has(dying.route)) return false;
    if (!is_heard(dying) && now_ - dying.found < kHearTime) return false;
    connections_->died(dying.session);
    return true;
  });
  if (died > 0) rings_->process_died(now_);
}

// Of a session that has died its own requests are applied first, then its death, then the others'.
void Server::apply_batch() {
  pass_began_ = served_ = options_.clock();
  const core::Time end = pass_began_ + kDrainTime;  // for all of them together
  for (Dying& dying : dying_) {
    if (std::exchange(dying.first_served, true) || dying.route.empty()) continue;
    serve_all_of(dying.route, end);
  }
  bury_dead();
  for (std::size_t i = 0; i < batch_size_; ++i) {
    if (!batch_[i].route.empty() && !put_off(batch_[i])) serve(batch_[i]);
    // An assignment would keep it.
    if (batch_[i].frame.capacity() > kKeptBytes) std::string().swap(batch_[i].frame);
  }
  serve_backlog();
  // Those whose last part was served only now; nothing else may tell the loop to look again.
  bury_dead();
  if (batch_.size() > kBatchFrames) batch_.resize(kBatchFrames);
}

bool Server::pass_is_over() const { return served_ - pass_began_ > kServeTime; }

// Of a client that does not read. It may have a message in parts, one call in each, and another
// message. Where all together have too much, it may have its share.
bool Server::is_too_much(const Arrival& arrival) const {
  const core::Limits& limits = options_.limits;
  const std::size_t frames = backlog_.frames(arrival.route);
  const std::size_t bytes = backlog_.bytes(arrival.route) + arrival.frame.size();
  return frames > 2 * limits.calls_in_flight + kPartsMost ||
         bytes > 2 * limits.message_bytes + frames * Backlog::kFrameCost ||
         (backlog_.bytes() > kBacklogBytesMost && bytes > kBacklogBytesMost / backlog_.routes());
}

bool Server::put_off(Arrival& arrival) {
  const bool full = outbox_->is_full(arrival.route);
  if (!full && !pass_is_over() && (backlog_.empty() || !backlog_.has(arrival.route))) return false;
  const std::string& route = arrival.route;
  if (full && is_too_much(arrival)) {
    backlog_.forget(route);
    connections_->close_slow(route);
    return true;
  }
  connections_->heard(route, now_);
  backlog_.add(std::move(arrival));
  arrival = {};
  return true;
}

void Server::serve(Arrival& arrival) {
  const std::size_t size = arrival.frame.size();
  // Of strangers nothing is read but their hello, and the limit is for the whole message.
  if (size > kCallBytes * calls_at_once_ && size <= options_.limits.message_bytes &&
      connections_->session_at(arrival.route)) {
    std::vector<std::string> parts = core::split_calls(arrival.frame, calls_at_once_);
    if (!parts.empty()) {
      arrival.frame = std::move(parts.front());
      parts.erase(parts.begin());
      backlog_.add_in_front(arrival.route, arrival.peer, std::move(parts));
    }
  }
  connections_->receive(arrival, now_);
  if (outbox_->gathered_bytes() > kGatheredBytes) pass_gate();
  const core::Time before = std::exchange(served_, options_.clock());
  if (served_ - before > kPartTime) {
    calls_at_once_ = std::max<std::size_t>(calls_at_once_ / 2, 1);
  } else if (calls_at_once_ < kCallsAtOnce && served_ - before < kPartTime / 4) {
    calls_at_once_ *= 2;
  }
}

void Server::serve_all_of(const std::string& route, core::Time end) {
  for (std::size_t i = 0; i < batch_size_; ++i) {
    if (batch_[i].route == route) backlog_.add(std::exchange(batch_[i], {}));
  }
  while (auto arrival = backlog_.next_of(route)) {
    if (options_.clock() > end) {
      return backlog_.add_in_front(route, arrival->peer, {std::move(arrival->frame)});
    }
    serve(*arrival);
  }
}

// As long as a pass may take, and one frame at least. Whoever was served stands behind all the
// others, so nobody starves; and only one call that is long by itself comes before replies leave
// and the loop looks around.
void Server::serve_backlog() {
  backlog_waits_ = false;
  // Who is dead reads nothing any more, and is not to be waited for.
  const auto may = [&](const std::string& route) {
    const bool dead = std::ranges::find(dying_, route, &Dying::route) != dying_.end();
    return dead || !outbox_->is_full(route);
  };
  pass_began_ = served_;
  while (!pass_is_over()) {
    std::optional<Arrival> next = backlog_.next(may);
    backlog_waits_ = !next;
    if (!next) return;
    serve(*next);
  }
}

void Server::feed(const Input& input) {
  const auto* request = std::get_if<input::Request>(&input);
  if (request == nullptr || !core_->answer(*request, now_, outputs_)) {
    if (engine_.keeps()) inputs_.push_back(encode_input(input, now_));
    failed_ = true;  // should it throw
    core_->apply(input, now_, outputs_);
    failed_ = false;
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
  try {
    engine_.append(inputs_);
  } catch (...) {
    failed_ = true;
    throw;
  }
  inputs_.clear();
}

void Server::pass_gate() {
  if (failed_) return;
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
