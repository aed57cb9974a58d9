#include <steward/tests/simulation/host.hpp>

#include <algorithm>
#include <utility>
#include <variant>

#include <steward/core/errors.hpp>

namespace steward::detail::simulation {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

const server::Registry& registry() {
  static const server::Registry all = server::builtin_classes();
  return all;
}

server::Identity identity() {
  server::Identity identity;
  identity.incarnation.bytes.fill(7);
  identity.addresses = {"ipc:///simulated"};
  identity.started_unix_ms = 1000;
  return identity;
}

// Empty: it is no hello with a ticket.
std::string ticket_in(const std::string& frame) {
  const core::OpenEnvelope envelope = core::open_envelope(frame);
  if (envelope.kind != core::Envelope::hello) return {};
  return core::decode_hello(envelope).ticket;
}

}  // namespace

Host::Host(Schedule& schedule, test::Random& random, Verdict& verdict, Book& book,
           const core::Limits& limits, core::Fault fault)
    : schedule_(schedule),
      random_(random),
      verdict_(verdict),
      book_(book),
      limits_(limits),
      fault_(fault),
      core_(identity(), registry(), limits),
      network_(schedule, random, [this] { arrived(); }),
      liveness_(poller_, limits.session_lease),
      outbox_(network_, limits),
      connections_(core_, nullptr, liveness_, outbox_,
                   [this](const server::Input& input) { feed(input); }) {
  inspector_.bytes.fill(9);
  server::Outputs none;
  core_.apply(server::input::SessionOpened{inspector_, "nobody's"}, schedule.now(), none);
}

void Host::arrived() {
  const server::Arrival& latest = network_.latest();
  if (const auto session = connections_.session_at(latest.route)) {
    book_.reached(*session, latest.frame);
  }
  plan(schedule_.now() + microseconds(random_.below(300)));
}

void Host::process_died(const std::vector<std::string>& routes) {
  dead_.insert(routes.begin(), routes.end());
  for (const auto& [session, route] : opened_at_) {
    if (dead_.contains(route)) dying_.push_back(session);
  }
  plan(schedule_.now() + microseconds(random_.below(2000)));
}

void Host::pause(core::Duration time) {
  paused_until_ = schedule_.now() + time;
  plan(paused_until_);
}

void Host::plan(core::Time time) {
  time = std::max(time, paused_until_);
  if (planned_ && *planned_ <= time) return;
  planned_ = time;
  schedule_.at(time, [this, time] {
    if (planned_ != time) return;
    planned_ = std::nullopt;
    pass();
  });
}

void Host::pass() {
  const core::Time now = schedule_.now();
  if (now < paused_until_) return plan(paused_until_);
  // As a loop that finds that it has stood still: nobody could be heard.
  if (std::exchange(paused_until_, core::Time{}) != core::Time{}) liveness_.excuse(now);
  apply_deaths();
  collect();
  for (unsigned turns = 1 + random_.below(4); turns > 0; --turns) {
    auto next = backlog_.next([](const std::string&) { return true; });
    if (!next) break;
    serve(*std::move(next));
  }
  liveness_.expire(now);
  for (const core::SessionId& session : liveness_.take_dead()) connections_.died(session);
  if (const auto due = core_.next_deadline(); due && *due <= now) feed(server::input::Tick{});
  release();
  connections_.look_at_outbox(now);
  release();
  liveness_.close_left();

  const bool more = network_.readable() || !backlog_.empty() || !dying_.empty();
  if (more) plan(now + microseconds(50));
  for (const core::Deadline next :
       {core_.next_deadline(), liveness_.next_deadline(), outbox_.next_deadline()}) {
    if (next) plan(std::max(*next, now + microseconds(1)));
  }
}

void Host::release() {
  outbox_.release(schedule_.now());
  outbox_.retry(schedule_.now());
}

void Host::apply_deaths() {
  for (const core::SessionId& session : std::exchange(dying_, {})) {
    const std::string route = connections_.route_of(session);
    if (fault_ != core::Fault::death_before_last_words) {
      server::Arrival arrival;
      while (network_.receive_of(route, arrival)) backlog_.add(std::exchange(arrival, {}));
      while (auto next = backlog_.next_of(route)) serve(*std::move(next));
    }
    if (!route.empty()) book_.died(session);  // else what it said last went with its connection
    connections_.died(session);
  }
}

// As many as one pass takes in; what has company waits behind it.
void Host::collect() {
  server::Arrival arrival;
  for (unsigned left = 1 + random_.below(6); left > 0 && network_.receive(arrival); --left) {
    if (backlog_.has(arrival.route) || random_.one_in(10)) {
      backlog_.add(std::exchange(arrival, {}));
    } else {
      serve(std::exchange(arrival, {}));
    }
  }
}

// A message of several calls is served in parts.
void Host::serve(server::Arrival arrival) {
  if (connections_.session_at(arrival.route)) {
    std::vector<std::string> parts = core::split_calls(arrival.frame, 1 + random_.below(3));
    if (!parts.empty()) {
      arrival.frame = std::move(parts.front());
      parts.erase(parts.begin());
      if (fault_ != core::Fault::rest_of_a_message_lost) {
        backlog_.add_in_front(arrival.route, arrival.peer, std::move(parts));
      }
    }
  }
  ticket_ = ticket_in(arrival.frame);
  if (!admits()) return;
  serving_ = arrival.route;
  connections_.receive(arrival, schedule_.now());
}

// As the control socket: a ticket opens one session, and is of no use once that has begun. Who
// shows it late has a newer connection.
bool Host::admits() const {
  const auto shown = tickets_.find(ticket_);
  return ticket_.empty() || shown == tickets_.end() || !spoken_.contains(shown->second);
}

// Acks and cancels one by one, which means the same: so what follows from each is seen.
void Host::feed(const server::Input& input) {
  const auto* request = std::get_if<server::input::Request>(&input);
  if (request == nullptr) return apply(input);
  const core::OpenEnvelope envelope = core::open_envelope(request->frame);
  if (envelope.kind == core::Envelope::calls) return apply(input);
  for (const core::Seq seq : core::decode_seqs(envelope)) {
    const std::string frame = core::encode_seqs(envelope.kind, {seq});
    apply(server::input::Request{request->session, frame});
  }
}

void Host::apply(const server::Input& input) {
  const core::Time now = schedule_.now();
  book_.input(input, now);
  const auto* request = std::get_if<server::input::Request>(&input);
  if (request != nullptr) spoken_.insert(request->session);
  if (request == nullptr || !core_.answer(*request, now, outputs_)) {
    core_.apply(input, now, outputs_);
  }
  if (!outputs_.violations.empty()) {
    verdict_.broken(Promise::values_are_right, "the server finds a frame malformed");
  }
  book_.outputs(outputs_);
  outputs_.ended.clear();
  if (core_.number_parked() != book_.waiting()) {
    verdict_.broken(Promise::nobody_is_forgotten,
                    fmt::format("{} calls wait, and the server has {} of them", book_.waiting(),
                                core_.number_parked()));
  }
  if (core_.number_of_sessions() != book_.sessions() + (inspected_ ? 1 : 0)) {
    verdict_.broken(Promise::nothing_is_left, "a session is left, or missing");
  }
  if (const auto* opened = std::get_if<server::input::SessionOpened>(&input)) {
    opened_at_[opened->session] = serving_;
    if (dead_.contains(serving_)) dying_.push_back(opened->session);  // it said that before
    if (!ticket_.empty()) tickets_[ticket_] = opened->session;
  } else if (const auto* ended = std::get_if<server::input::SessionEnded>(&input)) {
    opened_at_.erase(ended->session);
  }
  connections_.take(outputs_);
}

std::string Host::ask(core::ObjectId object, std::string_view method, std::string_view args) {
  const core::Seq seq = ++asked_;
  std::string call;
  core::append_call(call, {seq, 1, {}, object, method, args});
  const std::string frame = core::encode_calls(seq, {call});
  server::Outputs outputs;
  core_.apply(server::input::Request{inspector_, frame}, schedule_.now(), outputs);
  if (outputs.replies.empty()) return {};
  const std::string& bytes = *outputs.replies.back().bytes;
  core::Reader reader(bytes);
  reader.array();
  reader.natural();
  if (reader.natural() != 0) return {};
  return bytes.substr(reader.position());
}

void Host::end_inspection() {
  server::Outputs none;
  const server::input::SessionEnded ended{inspector_, server::Ending::orderly};
  core_.apply(ended, schedule_.now(), none);
  inspected_ = false;
}

}  // namespace steward::detail::simulation
