#include <steward/tests/simulation/process.hpp>

#include <algorithm>
#include <utility>

#include <steward/client/grants.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/token.hpp>
#include <steward/tests/simulation/thread.hpp>

namespace steward::detail::simulation {

using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

std::string kind_of(const std::string& frame) {
  constexpr const char* kNames[] = {"hello",  "welcome", "calls", "replies", "ack", "cancel",
                                    "renew",  "bye",     "unknown_connection",
                                    "unknown_session"};
  return kNames[static_cast<std::size_t>(core::open_envelope(frame).kind) - 1];
}

}  // namespace

// As a ClientReference: gives its object back when it goes.
class Process::OwnReference final : public core::Reference {
 public:
  OwnReference(core::Token token, Process& process)
      : Reference(std::move(token)), process_(process) {
    ++process_.living_[token_.object];
  }
  ~OwnReference() override {
    if (!process_.alive_) return;
    if (--process_.living_[token_.object] == 0) process_.living_.erase(token_.object);
    process_.core_->released(*this, process_.now());
  }

 private:
  Process& process_;
};

Process::Process(Place& place, unsigned number, server::Peer peer, core::Duration patience,
                 unsigned threads)
    : place_(place), number_(number), peer_(peer) {
  core_ = std::make_unique<client::SessionCore>(client::SessionCore::Setup{
      name(), ticket(), place.host.incarnation(), patience, true,
      [this] {
        std::string nonce(core::kChallengeBytes, '\0');
        for (char& byte : nonce) byte = static_cast<char>(place_.random.next());
        return nonce;
      }});
  for (unsigned i = 0; i < threads; ++i) threads_.push_back(std::make_unique<Thread>(*this));
  connect();
  go_on();
}

Process::~Process() { alive_ = false; }

std::string Process::ticket() {
  if (peer_ == server::Peer::remote) return {};
  return "ticket " + std::to_string(number_) + "." + std::to_string(++tickets_);
}

void Process::input(std::function<void()> what) {
  if (!alive_) return;
  if (paused_) return late_.push_back(std::move(what));
  what();
  if (alive_) act();
}

// --- what befalls it

// A local process is seen to die, and what it has not given to the kernel dies with it. Of a remote
// one nobody tells; what it has sent may arrive.
void Process::die() {
  if (!alive_) return;
  place_.verdict.note([&] { return name() + " dies"; });
  const bool remote = peer_ == server::Peer::remote;
  drop_connection(remote && place_.random.one_in(2));
  if (!remote) place_.host.process_died(routes_);
  alive_ = false;
  for (const auto& thread : threads_) thread->vanish();
  late_.clear();
}

void Process::announce_end() {
  input([this] { core_->announce_end(); });
}

void Process::pause(core::Duration time) {
  if (!alive_ || std::exchange(paused_, true)) return;
  place_.verdict.note([&] { return name() + " stands still"; });
  place_.schedule.after(time, [this] {
    paused_ = false;
    place_.verdict.note([&] { return name() + " goes on"; });
    while (alive_ && !late_.empty()) {
      const auto what = std::move(late_.front());
      late_.pop_front();
      what();
    }
    if (alive_) act();
  });
}

void Process::part(core::Duration unnoticed, core::Duration time) {
  if (!alive_ || route_.empty()) return;
  place_.verdict.note([&] { return name() + " loses its connection " + route_; });
  apart_until_ = now() + time;
  place_.host.network().cut(route_, unnoticed);
}

void Process::go_on() {
  for (const auto& thread : threads_) {
    place_.schedule.after(microseconds(place_.random.below(5000)), [this, thread = thread.get()] {
      input([thread] { thread->act(); });
    });
  }
}

void Process::finish() {
  input([this] {
    for (const auto& thread : threads_) thread->finish();
  });
}

void Process::drop_references() {
  input([this] {
    named_.clear();
    bag_.clear();
  });
}

void Process::leave() {
  input([this] { core_->leave(); });
}

bool Process::at_rest() const {
  if (!alive_) return true;
  const bool whole = !route_.empty() && place_.host.network().whole(route_);
  return !paused_ && whole && core_->link().online() && !core_->calls().blocked() &&
         std::ranges::all_of(threads_, [](const auto& thread) { return thread->at_rest(); });
}

std::string Process::unrest() const {
  std::string text = fmt::format("{} ({}, link {}, {})", name(), paused_ ? "paused" : "runs",
                                 static_cast<int>(core_->link().phase()),
                                 route_.empty() ? "no connection" : route_);
  for (const auto& thread : threads_) {
    if (!thread->at_rest()) text += " " + thread->text();
  }
  return text;
}

// --- its connections

void Process::connect() {
  if (std::exchange(connecting_, true)) return;
  const core::Time when = place_.calm ? now() : std::max(now(), apart_until_);
  place_.schedule.at(when, [this] {
    if (alive_) place_.host.network().connect(*this, peer_);
  });
}

void Process::connected(const std::string& route) {
  input([this, route] {
    connecting_ = false;
    const bool wanted = !core_->link().lost() && !core_->link().closed();
    if (!wanted) return place_.host.network().leave(route, false);
    place_.verdict.note([&] { return name() + " is connected as " + route; });
    routes_.push_back(route_ = route);
    core_->connected(now());
  });
}

void Process::connection_lost(const std::string& route) {
  input([this, route] {
    if (route != route_) return;
    place_.verdict.note([&] { return name() + " notices the end of " + route; });
    route_.clear();
    core_->connection_lost(now());
    connect();
  });
}

void Process::frame(const std::string& route, const std::string& bytes) {
  input([this, route, bytes] {
    if (route != route_) return;
    place_.verdict.note([&] { return name() + " hears " + kind_of(bytes) + " on " + route; });
    core_->frame(bytes, now());
    const core::OpenEnvelope envelope = core::open_envelope(bytes);
    if (envelope.kind != core::Envelope::welcome || !core_->link().online()) return;
    sessions_[core_->session()] = core::decode_welcome(envelope).session;
    if (!renews_ && core_->lease() > core::Duration::zero()) renew();
  });
}

void Process::drop_connection(bool passes) {
  place_.host.network().leave(std::exchange(route_, {}), passes);
}

void Process::act() {
  pump();
  if (core_->wants_session()) dial();
  if (core_->link().lost() || core_->link().closed()) drop_connection(true);
  set_timer();
}

void Process::pump() {
  if (route_.empty() || pumps_later_) return;
  while (const auto frame = core_->front()) {
    std::string bytes(frame->head);
    bytes += frame->body;
    place_.verdict.note([&] { return name() + " says " + kind_of(bytes) + " on " + route_; });
    if (place_.host.network().to_server(route_, std::move(bytes))) {
      core_->sent();
      continue;
    }
    pumps_later_ = true;
    place_.schedule.after(milliseconds(1), [this] {
      input([this] { pumps_later_ = false; });
    });
    return;
  }
}

void Process::dial() {
  if (std::exchange(dialling_, true)) return;
  place_.schedule.after(microseconds(place_.random.below(20'000)), [this] {
    input([this] { dialled(); });
  });
}

void Process::dialled() {
  dialling_ = false;
  if (!core_->link().lost()) return;
  if (!place_.calm && (now() < apart_until_ || place_.random.one_in(8))) {
    return core_->cannot_begin_anew("nobody answers", false, now());
  }
  place_.verdict.note([&] { return name() + " begins a new session"; });
  core_->begin_anew(ticket(), place_.host.incarnation(), now());
  connect();
}

void Process::set_timer() {
  const core::Deadline due = core_->next_deadline();
  if (!due || (timer_ && *timer_ <= *due)) return;
  timer_ = due;
  place_.schedule.at(*due, [this, due] {
    input([this, due] {
      if (timer_ == due) timer_ = std::nullopt;
      core_->tick(now());
    });
  });
}

void Process::renew() {
  renews_ = true;
  place_.schedule.after(std::max<core::Duration>(core_->lease() / 3, milliseconds(1)), [this] {
    input([this] {
      if (core_->link().closed()) return;
      core_->renew(now());
      renew();
    });
  });
}

// --- its references

core::SessionId Process::session_of(client::SessionNumber number) const {
  const auto found = sessions_.find(number);
  return found == sessions_.end() ? core::SessionId{} : found->second;
}

core::ReferencePtr Process::adopt(core::Token token, client::SessionNumber granted_to) {
  core::ReferencePtr reference = core_->references().find(token.object);
  if (reference == nullptr) reference = std::make_shared<OwnReference>(std::move(token), *this);
  core_->granted(reference, granted_to, now());
  return reference;
}

std::vector<core::ReferencePtr> Process::adopt_all(std::string_view result,
                                                   client::SessionNumber granted_to) {
  std::vector<core::ReferencePtr> all;
  for (const auto& [object, count] : client::grants_in(result, place_.host.incarnation())) {
    core::Token token;
    token.incarnation = place_.host.incarnation();
    token.object = object;
    token.type = "list";
    for (std::uint64_t i = 0; i < count; ++i) all.push_back(adopt(token, granted_to));
  }
  return all;
}

// --- when nothing is under way

// What the server says of this session, and what it has here, by `objects` that there are.
void Process::check_calm(const std::map<core::ObjectId, std::string>& objects) {
  if (!alive_) return;
  const auto broken = [&](const std::string& what) {
    place_.verdict.broken(Promise::both_sides_agree, name() + ": " + what);
  };
  const core::SessionId session = session_of(core_->session());
  if (!place_.book.knows(session)) return broken("its session is not there");
  std::size_t waiting = 0;
  for (const auto& thread : threads_) {
    if (!thread->waits()) continue;
    ++waiting;
    if (!thread->waits_for_others()) {
      return place_.verdict.broken(Promise::ended_once, thread->text() + " waits for an answer");
    }
  }
  const std::size_t served = std::min(waiting, core_->calls().parking_limit());
  if (place_.book.waiting_of(session) != served) {
    std::string which;
    for (const auto& thread : threads_) which += thread->waits() ? ", " + thread->text() : "";
    broken(fmt::format("{} of its calls wait, {} could wait at the server, {} do{}", waiting,
                       served, place_.book.waiting_of(session), which));
  }
  for (const auto& [object, book] : place_.book.objects()) {
    const auto* lock = dynamic_cast<const LockBook*>(book.get());
    if (lock == nullptr) continue;
    for (const auto& thread : threads_) {
      const auto& hold = lock->hold();
      const bool his = hold && hold->session == session && hold->thread == thread->number();
      const std::uint64_t depth = his ? hold->depth : 0;
      if (core_->holds().find(object, thread->number()).depth != depth) {
        broken(fmt::format("{} and the server disagree about lock {}", thread->text(),
                           core::number(object)));
      }
    }
  }
  std::size_t references = 0;
  for (const auto& [object, count] : living_) references += objects.contains(object) ? 1 : 0;
  const std::string kAll = objects.at(core::kManagerObject);
  const std::string mine = fmt::format("  session {}: ", place_.book.number_of(session) + 1);
  const auto line = kAll.find(mine);
  if (line == std::string::npos) return broken("the server does not list its session");
  unsigned granted = 0;
  unsigned parked = 0;
  unsigned unconfirmed = 0;
  unsigned replies = 0;
  std::sscanf(kAll.c_str() + line + mine.size(),
              "%u references, %u parked, %u unconfirmed, %u stored replies", &granted, &parked,
              &unconfirmed, &replies);
  if (granted != references) {
    broken(fmt::format("it has references to {} objects, the server counts {}", references,
                       granted));
  }
  constexpr unsigned kRepliesMost = 200;
  if (replies > kRepliesMost) broken(fmt::format("{} replies are kept for it", replies));
}

}  // namespace steward::detail::simulation
