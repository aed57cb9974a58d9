#include <steward/tests/simulation/book.hpp>

#include <algorithm>
#include <variant>

#include <steward/client/grants.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/token.hpp>

namespace steward::detail::simulation {
namespace {

bool may_wait(const SeenCall& call) {
  const std::string& method = call.method;
  return method == "lock" || method == "get" || method == "get_many" || method == "reserve" ||
         method == "put" || method == "put_many" || method == "wait_ready" || method == "join";
}

// Asked again it may say something else.
bool only_reads(const SeenCall& call) {
  const std::string& method = call.method;
  return method == "size" || method == "at" || method == "number_of_objects";
}

client::Grants handles_in(std::string_view payload) {
  core::Incarnation any;
  any.bytes.fill(7);  // as Host has it
  return client::grants_in(payload, any);
}

}  // namespace

ObjectBook* Book::object(core::ObjectId id) const {
  const auto found = objects_.find(id);
  return found == objects_.end() ? nullptr : found->second.get();
}

Book::SeenSession* Book::living(const core::SessionId& id) {
  const auto found = sessions_.find(id);
  return found == sessions_.end() || found->second.ended ? nullptr : &found->second;
}

bool Book::knows(const core::SessionId& id) const {
  const auto found = sessions_.find(id);
  return found != sessions_.end() && !found->second.ended;
}

std::uint64_t Book::number_of(const core::SessionId& id) const { return sessions_.at(id).number; }

std::size_t Book::waiting_of(const core::SessionId& id) const {
  const auto& calls = sessions_.at(id).calls;
  return static_cast<std::size_t>(std::ranges::count_if(calls, [](const auto& entry) {
    return entry.second.waits() && !entry.second.post;
  }));
}

// --- the server

void Book::input(const server::Input& input, core::Time now) {
  ++shared_.step;
  shared_.now = now;
  if (const auto* opened = std::get_if<server::input::SessionOpened>(&input)) {
    SeenSession& session = sessions_[opened->session];
    session.id = opened->session;
    session.number = sessions_.size();
    ++living_;
  } else if (const auto* ending = std::get_if<server::input::SessionEnded>(&input)) {
    if (SeenSession* session = living(ending->session)) ended(*session);
  } else if (const auto* again = std::get_if<server::input::SessionResumed>(&input)) {
    resumed(*again);
  } else if (const auto* request = std::get_if<server::input::Request>(&input)) {
    if (SeenSession* session = living(request->session)) frame(*session, request->frame);
  } else if (std::holds_alternative<server::input::Tick>(input)) {
    for (const auto& [id, book] : objects_) book->time_passed();
  }
}

void Book::frame(SeenSession& session, std::string_view bytes) {
  const core::OpenEnvelope envelope = core::open_envelope(bytes);
  if (envelope.kind == core::Envelope::calls) {
    const core::Calls calls = core::decode_calls(envelope);
    complete_before(session, calls.first_incomplete);
    for (const core::Call& each : calls.calls) call(session, each);
    return;
  }
  for (const core::Seq seq : core::decode_seqs(envelope)) {
    if (envelope.kind == core::Envelope::cancel) {
      cancel(session, seq);
    } else if (const auto found = session.calls.find(seq); found != session.calls.end()) {
      confirm(found->second);
    }
  }
}

void Book::call(SeenSession& session, const core::Call& call) {
  session.seen = std::max(session.seen, call.seq);
  if (call.seq < session.first_incomplete) return;
  const auto [place, is_new] = session.calls.try_emplace(call.seq);
  SeenCall& seen = place->second;
  ++(is_new ? shared_.counts.calls : shared_.counts.retries);
  if (!is_new) return;
  seen.session = session.id;
  seen.seq = call.seq;
  seen.arrived = ++calls_;
  seen.step = shared_.step;
  seen.thread = call.thread;
  seen.object = call.object;
  seen.method = std::get<std::string_view>(call.method);
  seen.args = call.args;
  seen.post = call.post;
  note_ids(seen);
  shared_.verdict.note([&] {
    std::string text = fmt::format("    {} #{} comes", seen.text(), seen.seq);
    if (seen.method != "drop") return text;
    core::Reader drops(seen.args);
    drops.array();
    for (std::size_t left = drops.array(); left > 0; --left) {
      drops.array();
      const std::uint64_t object = drops.natural();
      text += fmt::format(", {} times {}", drops.natural(), object);
    }
    return text;
  });
  if (!seen.post) {
    ++waiting_;
    of_this_input_.push_back(&seen);
  } else {
    seen.state = SeenCall::State::answered;
  }
  if (ObjectBook* book = object(seen.object)) book->arrived(seen);
}

// Of what it puts somewhere: the last argument, or each in a list of put_many.
void Book::note_ids(SeenCall& call) {
  const bool dict = call.method == "set";
  const bool several = call.method == "put_many";
  if (!dict && !several && call.method != "append" && call.method != "put" &&
      call.method != "try_put") {
    return;
  }
  core::Reader args(call.args);
  args.array();
  if (dict) args.string();
  for (std::size_t count = several ? args.array() : 1; count > 0; --count) {
    const std::int64_t id = take_id(args);
    call.ids.push_back(id);
    Id& known = ids_.at(static_cast<std::size_t>(id));
    known.arrived = true;
    if (known.never) {
      broken(Promise::not_done_after_all,
             call.text() + " comes, after its caller was told that it was not done");
    }
  }
}

void Book::complete_before(SeenSession& session, core::Seq first) {
  if (first <= session.first_incomplete) return;
  session.first_incomplete = first;
  for (auto call = session.calls.begin(); call != session.calls.end() && call->first < first;
       ++call) {
    confirm(call->second);
  }
}

void Book::confirm(SeenCall& call) {
  if (!std::exchange(call.handed_over, false)) return;
  if (ObjectBook* book = object(call.object)) book->confirmed(call);
}

void Book::cancel(SeenSession& session, core::Seq seq) {
  const auto found = session.calls.find(seq);
  if (found == session.calls.end()) return;
  SeenCall& call = found->second;
  if (call.waits()) {
    cancelled_.push_back(&call);
    ++shared_.counts.cancelled_waiting;
  } else if (std::exchange(call.handed_over, false)) {
    ++shared_.counts.handed_back;
    if (ObjectBook* book = object(call.object)) book->returned(call);
  }
}

void Book::drop(SeenCall& call) {
  call.state = SeenCall::State::dropped;
  ++shared_.counts.dropped;
  --waiting_;
  if (ObjectBook* book = object(call.object)) book->dropped(call);
}

void Book::resumed(const server::input::SessionResumed& input) {
  SeenSession* session = living(input.session);
  if (session == nullptr) return;
  ++shared_.counts.resumed;
  for (auto& [seq, call] : session->calls) {
    if (call.waits() && std::ranges::find(input.incomplete, seq) == input.incomplete.end()) {
      drop(call);
    }
  }
  complete_before(*session, input.first_incomplete);
  session->reached = session->seen;  // what an older connection has brought comes again
}

void Book::ended(SeenSession& session) {
  session.ended = true;
  ++shared_.counts.ended;
  --living_;
  for (auto& [seq, call] : session.calls) {
    if (call.waits()) drop(call);
    call.handed_over = false;
  }
  for (const auto& [id, book] : objects_) book->session_ended(session.id);
}

void Book::reached(const core::SessionId& id, std::string_view frame) {
  SeenSession* session = living(id);
  if (session == nullptr) return;
  const core::OpenEnvelope envelope = core::open_envelope(frame);
  if (envelope.kind != core::Envelope::calls) return;
  for (const core::Call& call : core::decode_calls(envelope).calls) {
    session->reached = std::max(session->reached, call.seq);
  }
}

void Book::died(const core::SessionId& id) {
  const SeenSession* session = living(id);
  if (session == nullptr || session->seen >= session->reached) return;
  broken(Promise::last_words_count,
         fmt::format("the death of {} was applied before its call #{}", id.hex().substr(0, 4),
                     session->reached));
}

void Book::outputs(const server::Outputs& outputs) {
  for (const server::Outputs::Reply& each : outputs.replies) reply(each);
  for (const SeenCall* call : of_this_input_) {
    if (!call->waits() || may_wait(*call)) continue;
    broken(Promise::ended_once, call->text() + " cannot wait, and got no answer");
  }
  of_this_input_.clear();
  for (const SeenCall* call : cancelled_) {
    if (call->waits()) broken(Promise::cancel_counts, call->text() + " was cancelled, and waits");
  }
  cancelled_.clear();
  for (const auto& [id, book] : objects_) book->check_waiting();
}

void Book::reply(const server::Outputs::Reply& reply) {
  core::Reader reader(*reply.bytes);
  reader.array();
  const core::Seq seq = reader.natural();
  const auto code = static_cast<core::ErrorCode>(reader.natural());
  const std::string_view payload = std::string_view(*reply.bytes).substr(reader.position());
  SeenSession* session = living(reply.session);
  if (session == nullptr) {
    return broken(Promise::one_holder, "something was given to a session that has ended: call #" +
                                           std::to_string(seq));
  }
  const auto found = session->calls.find(seq);
  if (found == session->calls.end()) {
    return broken(Promise::ended_once, "an answer to a call that never came");
  }
  SeenCall& call = found->second;
  const bool first = call.waits() || (call.post && call.reply.empty());
  shared_.verdict.note([&] {
    std::string text = fmt::format("    {} #{} gets code {}{}", call.text(), seq,
                                   static_cast<int>(code), first ? "" : " again");
    for (const auto& [object, count] : handles_in(payload)) {
      text += fmt::format(", {} times {}", count, core::number(object));
    }
    return text;
  });
  if (!first && call.state == SeenCall::State::dropped) {
    return broken(Promise::cancel_counts, call.text() + " is answered, and was given up");
  }
  if (!first && call.reply == *reply.bytes) return;
  if (!first && !only_reads(call)) {
    return broken(Promise::retry_is_same, call.text() + " got another answer than before");
  }
  if (call.waits()) --waiting_;
  call.state = SeenCall::State::answered;
  call.reply = *reply.bytes;
  if (ObjectBook* book = object(call.object)) book->answered(call, code, payload);
  if (code == core::ErrorCode::ok && call.method == "create") created(call, payload);
}

void Book::created(const SeenCall& call, std::string_view payload) {
  const core::Token token = core::decode_token(core::Reader(payload).extension().payload);
  core::Reader args(call.args);
  args.array();
  args.string();
  if (!args.nil_if_next()) args.string();
  const std::uint64_t maxsize = args.array() == 0 ? 0 : args.natural();
  std::unique_ptr<ObjectBook>& book = objects_[token.object];
  if (book != nullptr) return;  // it was opened
  if (token.type == "queue") book = std::make_unique<QueueBook>(shared_, maxsize);
  if (token.type == "lock") book = std::make_unique<LockBook>(shared_, false);
  if (token.type == "rlock") book = std::make_unique<LockBook>(shared_, true);
  if (token.type == "list") book = std::make_unique<ListBook>(shared_);
  if (token.type == "dict") book = std::make_unique<DictBook>(shared_);
}

// --- the callers

void Book::effect(std::int64_t id) {
  if (++ids_.at(static_cast<std::size_t>(id)).effects > 1) {
    broken(Promise::done_once, fmt::format("the change with id {} was done twice", id));
  }
}

void Book::kept(const core::SessionId& session, std::int64_t item, std::uint64_t reservation) {
  if (!knows(session)) return;  // what it had went back, and others may have it
  for (const auto& [id, book] : objects_) {
    if (auto* queue = dynamic_cast<QueueBook*>(book.get())) {
      if (queue->kept(session, item, reservation)) return;
    }
  }
  if (reservation != 0) return;
  broken(Promise::item_is_once, fmt::format("item {} was given to two", item));
}

void Book::told_done(std::int64_t id) {
  if (ids_.at(static_cast<std::size_t>(id)).effects == 1) return;
  broken(Promise::done_once, fmt::format("the change with id {} is acknowledged, not done", id));
}

void Book::told_error(std::int64_t id) {
  if (ids_.at(static_cast<std::size_t>(id)).effects == 0) return;
  broken(Promise::not_done_after_all, fmt::format("the change with id {} failed, but is done", id));
}

void Book::told_not_done(std::int64_t id) {
  Id& known = ids_.at(static_cast<std::size_t>(id));
  known.never = true;
  if (!known.arrived) return;
  broken(Promise::not_done_after_all,
         fmt::format("the change with id {} came, and is said not to be done", id));
}

void Book::check_calm() const {
  for (const auto& [id, book] : objects_) book->check_calm();
}

}  // namespace steward::detail::simulation
