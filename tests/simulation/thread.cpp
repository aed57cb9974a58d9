#include <steward/tests/simulation/thread.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

#include <steward/client/grants.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/token.hpp>
#include <steward/core/writer.hpp>

namespace steward::detail::simulation {
namespace {

using client::Effect;
using std::chrono::microseconds;
using std::chrono::milliseconds;

struct Named {
  std::string_view name;
  std::string_view type;
  std::uint64_t maxsize;
};
constexpr Named kNamed[] = {{"queue", "queue", 0}, {"narrow", "queue", 2}, {"lock", "lock", 0},
                            {"rlock", "rlock", 0}, {"list", "list", 0},    {"dict", "dict", 0}};
constexpr std::size_t kBagMost = 4;

std::string array_of(std::initializer_list<std::string_view> encoded) {
  std::string args;
  core::Writer writer(args);
  writer.array(encoded.size());
  for (const std::string_view each : encoded) writer.raw(each);
  return args;
}
std::string natural(std::uint64_t value) {
  std::string bytes;
  core::Writer(bytes).natural(value);
  return bytes;
}
std::string quoted(std::string_view value) {
  std::string bytes;
  core::Writer(bytes).string(value);
  return bytes;
}
std::string raw_bytes(std::string_view value) {
  std::string encoded;
  core::Writer(encoded).bytes(value);
  return encoded;
}
const std::string kNil = "\xc0";
const std::string kTrue = "\xc3";

}  // namespace

struct Thread::Op final : client::Completion {
  Op(Thread& by, Asked what, std::uint64_t which)
      : thread(by), asked(std::move(what)), number(which) {}

  void done(client::Outcome told) noexcept override {
    Place& place = thread.place_;
    if (++times > 1) {
      return place.verdict.broken(Promise::ended_once, asked.method + " ended twice");
    }
    outcome = std::move(told);
    if (asked.confirm && outcome.succeeded()) thread.keep(*this);
    place.schedule.after(microseconds(thread.random_.below(3000)), [this_thread = &thread] {
      this_thread->process_.input([this_thread] { this_thread->conclude(); });
    });
  }
  bool ended() const { return times > 0; }

  Thread& thread;
  Asked asked;
  const std::uint64_t number;
  int times = 0;
  client::Outcome outcome;
};

Thread::Thread(Process& process)
    : process_(process),
      place_(process.place()),
      random_(place_.random),
      number_(process.new_thread_number()) {}

Thread::~Thread() = default;

bool Thread::waits() const { return op_ != nullptr && !op_->ended(); }
bool Thread::waits_for_others() const { return op_->asked.parks; }
bool Thread::at_rest() const {
  return !planned_ && (op_ == nullptr || (!op_->ended() && op_->asked.parks));
}
std::string Thread::text() const {
  const std::string what = op_ == nullptr ? "" : " (" + op_->asked.method + ")";
  return "thread " + std::to_string(number_) + what;
}

void Thread::later() {
  if (std::exchange(planned_, true)) return;
  place_.schedule.after(microseconds(random_.below(12'000)), [this] {
    process_.input([this] {
      planned_ = false;
      act();
    });
  });
}

// --- what it does

void Thread::act() {
  if (dead_ || op_ != nullptr) return;
  if (finishing_) {
    while (!held_.empty()) unlock();
    while (op_ == nullptr && !reservations_.empty()) settle_reservation();
    return;
  }
  if (place_.calm || process_.core().link().closed()) return;
  const unsigned what = random_.below(100);
  if (!held_.empty() && what < 40) {
    unlock();
  } else if (!reservations_.empty() && what < 60) {
    settle_reservation();
  } else if (what < 68) {
    random_.below(100) < 55 ? use_queue() : use_lock();
  } else if (what < 76) {
    use_list();
  } else if (what < 83) {
    use_dict();
  } else if (what < 93) {
    use_handles();
  } else if (what < 98) {
    post_and_read();
  } else {
    end_and_begin_anew();
  }
  if (op_ == nullptr) later();
}

void Thread::finish() {
  finishing_ = true;
  if (waits()) process_.core().cancel(*op_);
  later();
}

core::ReferencePtr Thread::named(std::string_view name) {
  const auto known = process_.named().find(std::string(name));
  if (known != process_.named().end()) return known->second;
  const auto* is = std::ranges::find(kNamed, name, &Named::name);
  const std::string init = is->maxsize > 0 ? array_of({natural(is->maxsize)}) : array_of({});
  start({.type = std::string(is->type),
         .method = "create",
         .args = array_of({quoted(is->type), quoted(name), init}),
         .name = std::string(name)});
  return nullptr;
}

// The id, and perhaps a handle beside it.
std::string Thread::value(std::int64_t id, core::ReferencePtr& argument) {
  std::string encoded;
  core::Writer writer(encoded);
  if (process_.bag().empty() || random_.one_in(2)) {
    writer.integer(id);
    return encoded;
  }
  argument = process_.bag()[random_.below(static_cast<unsigned>(process_.bag().size()))];
  writer.array(2);
  writer.integer(id);
  core::encode_token(writer, argument->token());
  return encoded;
}

void Thread::use_queue() {
  const core::ReferencePtr queue = named(random_.one_in(2) ? "queue" : "narrow");
  if (queue == nullptr) return;
  Asked asked{.object = queue->token().object, .type = "queue", .target = queue};
  const auto item = [&] {
    asked.ids.push_back(place_.book.new_id());
    return value(asked.ids.back(), asked.argument);
  };
  asked.confirm = random_.one_in(5);
  switch (random_.below(10)) {
    case 0:
    case 1:
      asked.method = "put";
      asked.args = array_of({item()});
      asked.effect = Effect::offer;
      asked.parks = true;
      break;
    case 2:
      asked.method = "try_put";
      asked.args = array_of({item()});
      break;
    case 3: {
      std::string several;
      core::Writer writer(several);
      const unsigned count = 1 + random_.below(3);
      writer.array(count);
      for (unsigned i = 0; i < count; ++i) {
        asked.ids.push_back(place_.book.new_id());
        writer.integer(asked.ids.back());
      }
      asked.method = "put_many";
      asked.args = array_of({several});
      asked.parks = true;
      break;
    }
    case 4:
    case 5:
      asked.method = "get";
      asked.args = array_of({});
      break;
    case 6:
      asked.method = "get_many";
      asked.args = array_of({natural(1 + random_.below(3))});
      break;
    case 7:
      asked.method = "try_get";
      asked.args = array_of({});
      break;
    default:
      asked.method = "reserve";
      asked.args = array_of({random_.one_in(3) ? kNil : natural(20 + random_.below(300))});
      break;
  }
  if (asked.ids.empty()) {
    asked.effect = Effect::take;
    asked.parks = asked.method != "try_get";
  } else {
    asked.confirm = false;
  }
  start(std::move(asked));
}

void Thread::settle_reservation() {
  const Reservation one = reservations_.back();
  reservations_.pop_back();
  Asked asked{.object = one.queue->token().object,
              .type = "queue",
              .target = one.queue,
              .number = one.number};
  const unsigned what = finishing_ ? 0 : random_.below(5);
  if (what == 0) {
    client::CallRequest nack;
    const std::string args = array_of({natural(one.number)});
    nack.object = asked.object;
    nack.method = "nack";
    nack.args = args;
    nack.thread = number_;
    return process_.core().post(std::move(nack), process_.now());
  }
  asked.method = what == 1 ? "touch" : "ack";
  asked.args = what == 1 ? array_of({natural(one.number), natural(20 + random_.below(200))})
                         : array_of({natural(one.number)});
  start(std::move(asked));
}

void Thread::use_lock() {
  const bool reentrant = random_.one_in(2);
  const core::ReferencePtr lock = named(reentrant ? "rlock" : "lock");
  if (lock == nullptr) return;
  // Who has a lock mostly does not wait for another: nobody would ever go on.
  const bool tries = !held_.empty() || random_.one_in(5);
  Asked asked{.object = lock->token().object,
              .type = reentrant ? "rlock" : "lock",
              .method = tries ? "try_lock" : "lock",
              .args = array_of({}),
              .effect = Effect::take,
              .parks = !tries,
              .confirm = false,
              .target = lock};
  if (random_.one_in(12)) {
    asked.method = "wait_ready";
    asked.effect = Effect::read;
    asked.parks = true;
  }
  start(std::move(asked));
}

void Thread::unlock() {
  const core::ReferencePtr lock = std::move(held_.back());
  held_.pop_back();
  process_.core().unlock(lock->token().object, number_, process_.now());
}

void Thread::use_list() {
  // The one that all have, or one of those without a name: these hold no handles, or some would
  // keep each other alive.
  core::ReferencePtr list;
  const bool nameless = !process_.bag().empty() && random_.one_in(3);
  if (nameless) {
    list = process_.bag()[random_.below(static_cast<unsigned>(process_.bag().size()))];
  } else {
    list = named("list");
  }
  if (list == nullptr) return;
  Asked asked{.object = list->token().object, .type = "list", .args = array_of({}),
              .target = list};
  switch (random_.below(5)) {
    case 0: asked.method = "pop"; break;
    case 1:
      asked.method = "size";
      asked.effect = Effect::read;
      break;
    case 2: {
      const std::int64_t id = place_.book.new_id();
      std::string encoded;
      core::Writer(encoded).integer(id);
      const std::string args = array_of({encoded});
      client::CallRequest append;
      append.object = asked.object;
      append.method = "append";
      append.args = args;
      append.thread = number_;
      return process_.core().post(std::move(append), process_.now());
    }
    default:
      asked.method = "append";
      asked.ids.push_back(place_.book.new_id());
      asked.args = array_of({nameless ? natural(static_cast<std::uint64_t>(asked.ids.back()))
                                      : value(asked.ids.back(), asked.argument)});
      break;
  }
  start(std::move(asked));
}

void Thread::use_dict() {
  const core::ReferencePtr dict = named("dict");
  if (dict == nullptr) return;
  const std::string key = quoted(random_.one_in(2) ? "a" : "b");
  Asked asked{.object = dict->token().object, .type = "dict", .args = array_of({key}),
              .target = dict};
  switch (random_.below(5)) {
    case 0: asked.method = "pop"; break;
    case 1:
    case 2:
      asked.method = "at";
      asked.effect = Effect::read;
      break;
    default:
      asked.method = "set";
      asked.ids.push_back(place_.book.new_id());
      asked.args = array_of({key, value(asked.ids.back(), asked.argument)});
      break;
  }
  start(std::move(asked));
}

void Thread::use_handles() {
  auto& bag = process_.bag();
  const unsigned what = random_.below(5);
  if (what == 0 && !place_.mail.empty()) {
    const core::Token token = std::move(place_.mail.back());
    place_.mail.pop_back();
    return start({.type = "list",
                  .method = "claim",
                  .args = array_of({natural(core::number(token.object)),
                                    raw_bytes(token.nonce->view()), kTrue})});
  }
  if (bag.empty() || what == 1) {
    return start({.type = "list",
                  .method = "create",
                  .args = array_of({quoted("list"), kNil, array_of({})})});
  }
  const auto which = bag.begin() + random_.below(static_cast<unsigned>(bag.size()));
  if (what < 4) return static_cast<void>(bag.erase(which));
  std::string nonce(core::Nonce::kSize, '\0');
  for (char& byte : nonce) byte = static_cast<char>(random_.next());
  Asked asked{.type = "list",
              .method = "lease",
              .args = array_of({natural(core::number((*which)->token().object)), raw_bytes(nonce)}),
              .argument = *which};
  asked.name = nonce;
  start(std::move(asked));
}

// An error that nobody waits for is thrown by the next call; what that has read is given back.
void Thread::post_and_read() {
  const core::ReferencePtr lock = named("lock");
  if (lock == nullptr) return;
  const core::ReferencePtr dict = named("dict");
  if (dict == nullptr) return;
  if (process_.core().holds().find(lock->token().object, number_).depth == 0) {
    client::CallRequest wrong;
    wrong.object = lock->token().object;
    wrong.method = "unlock";
    wrong.args = core::kNoArguments;
    wrong.thread = number_;
    process_.core().post(std::move(wrong), process_.now());
  }
  start({.object = dict->token().object,
         .type = "dict",
         .method = "at",
         .args = array_of({quoted(random_.one_in(2) ? "a" : "b")}),
         .effect = Effect::read,
         .target = dict});
}

// Another thread takes its place, and its locks have lost their owner.
void Thread::end_and_begin_anew() {
  process_.core().thread_ended(number_, process_.now());
  held_.clear();
  number_ = process_.new_thread_number();
}

// --- its calls

void Thread::start(Asked asked) {
  op_ = std::make_unique<Op>(*this, std::move(asked), ++ops_);
  const Asked& what = op_->asked;
  client::CallRequest request;
  request.object = what.object;
  request.method = what.method;
  request.args = what.args;
  request.thread = number_;
  request.effect = what.effect;
  request.parks = what.parks;
  request.confirm = what.confirm;
  request.settled_later = what.effect == Effect::take && !what.confirm;
  if (what.parks ? !random_.one_in(3) : random_.one_in(10)) {
    request.deadline = process_.now() + milliseconds(random_.below(what.parks ? 300 : 60));
  }
  place_.verdict.note([&] { return text() + " begins"; });
  process_.core().start(std::move(request), {what.type, what.object, what.method}, *op_,
                        process_.now());
  if (waits() && random_.one_in(6)) cancel_later(op_->number);
}

void Thread::cancel_later(std::uint64_t op) {
  place_.schedule.after(microseconds(random_.below(100'000)), [this, op] {
    process_.input([this, op] {
      if (waits() && op_->number == op) process_.core().cancel(*op_);
    });
  });
}

void Thread::conclude() {
  if (dead_) return;
  const std::unique_ptr<Op> op = std::move(op_);
  place_.verdict.note([&] {
    return fmt::format("thread {} hears the end of {}: {}, code {}", number_, op->asked.method,
                       static_cast<int>(op->outcome.end), static_cast<int>(op->outcome.code));
  });
  tell_book(*op);
  if (op->outcome.succeeded()) succeeded(*op);
  later();
}

void Thread::tell_book(const Op& op) const {
  using End = client::Outcome::End;
  for (const std::int64_t id : op.asked.ids) {
    switch (op.outcome.end) {
      case End::replied:
        if (!op.outcome.succeeded() || op.outcome.payload == "\xc2") {  // a try_put says false
          if (op.asked.ids.size() == 1) place_.book.told_error(id);
        } else {
          place_.book.told_done(id);
        }
        break;
      case End::disconnected:
      case End::not_done:
      case End::no_slot:
      case End::no_place: place_.book.told_not_done(id); break;
      case End::given_up:
      case End::outcome_unknown: break;
    }
  }
}

void Thread::succeeded(Op& op) {
  const std::string& method = op.asked.method;
  const client::Outcome& outcome = op.outcome;
  if (method == "lock" || method == "try_lock") return locked(op);
  if (op.asked.effect == Effect::take) return took(op);
  if (method == "touch" && outcome.payload == kTrue) {
    reservations_.push_back({op.asked.target, op.asked.number});
  } else if (method == "lease") {
    core::Token token = op.asked.argument->token();
    token.nonce = core::Nonce::from(op.asked.name);
    place_.mail.push_back(std::move(token));
  } else if (method == "create" && !op.asked.name.empty()) {
    core::Token token = core::decode_token(core::Reader(outcome.payload).extension().payload);
    process_.named()[op.asked.name] = process_.adopt(std::move(token), outcome.session);
  } else if (outcome.payload != kTrue) {
    took(op);
  }
}

// What was given is kept, or handed back by one who cannot use it.
void Thread::took(Op& op) {
  client::Outcome& outcome = op.outcome;
  client::SessionCore& core = process_.core();
  const bool take = op.asked.effect == Effect::take;
  if (!finishing_ && random_.one_in(10) && (!take || outcome.unsettled)) {
    if (outcome.session == core.session()) {
      core.give_back(client::grants_in(outcome.payload, place_.host.incarnation()),
                     process_.now());
    }
    if (outcome.unsettled) core.settle(*outcome.unsettled, false);
    return;
  }
  for (core::ReferencePtr& reference : process_.adopt_all(outcome.payload, outcome.session)) {
    if (process_.bag().size() < kBagMost && !finishing_) process_.bag().push_back(reference);
  }
  if (!take) return;
  if (!op.asked.confirm) keep(op);
  if (op.asked.method == "reserve") {
    core::Reader reader(outcome.payload);
    reader.array();
    reservations_.push_back({op.asked.target, reader.natural()});
  }
  if (outcome.unsettled) core.settle(*outcome.unsettled, true);
}

void Thread::keep(const Op& op) const {
  const core::SessionId session = process_.session_of(op.outcome.session);
  core::Reader reader(op.outcome.payload);
  const std::string& method = op.asked.method;
  if (method == "get") return place_.book.kept(session, take_id(reader));
  std::size_t count = reader.array();
  if (method == "reserve") {
    const std::uint64_t number = reader.natural();
    reader.boolean();
    return place_.book.kept(session, take_id(reader), number);
  }
  for (; count > 0; --count) place_.book.kept(session, take_id(reader));
}

void Thread::locked(Op& op) {
  client::Outcome& outcome = op.outcome;
  client::SessionCore& core = process_.core();
  core::Reader reader(outcome.payload);
  const std::size_t count = reader.array();
  if (op.asked.method == "try_lock" && count == 1) reader.array();
  const bool refused = !finishing_ && count > 0 && random_.one_in(10);
  if (count > 0 && !refused) {
    const std::uint64_t token = reader.natural();
    core.locked(op.asked.object, number_, token, reader.boolean(), outcome.session);
    held_.push_back(op.asked.target);
  }
  if (outcome.unsettled) core.settle(*outcome.unsettled, !refused);
}

}  // namespace steward::detail::simulation
