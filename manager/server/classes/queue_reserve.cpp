// What sessions have reserved of a queue, whether the items are here or in a ring.
#include <iterator>
#include <limits>
#include <utility>

#include <steward/manager/server/classes/queue.hpp>
#include <steward/manager/server/wait_ms.hpp>

namespace steward::detail::server {

Outcome QueueObject::reserve(Call& call, std::optional<std::uint64_t> time_ms) {
  if (!outside_) return take_or_park(call, {.asked = Asked::reserve, .time_ms = time_ms});
  return ask(call, {.asked = Asked::reserve, .time_ms = time_ms},
             {.kind = Work::Kind::get, .number = 1});
}

// The time begins now, also for who has waited: what is on its way to the caller is taken already.
Value QueueObject::reserved(CallKey key, std::optional<std::uint64_t> time_ms, bool redelivered,
                            Value value, std::variant<Item, Taken> what, Context& context) {
  const std::uint64_t number = ++reserved_.last_number;
  const core::Deadline end = end_of_wait(time_ms, context.now());
  reserved_.by_number.emplace(number, Reservation{key, end, std::move(what)});
  reserved_.by_key.emplace(key, number);
  if (end) reserved_.by_end.emplace(*end, number);
  context.own(key.session);
  context.hand_over(key);
  set_alarm(context);
  Value::List result;
  result.emplace_back(number);
  result.emplace_back(redelivered);
  result.push_back(std::move(value));
  return Value(std::move(result));
}

bool QueueObject::ack(Call& call, std::uint64_t number) {
  if (find_reserved(call, number) == nullptr) return false;
  const Reservation done = release_reserved(number, call);
  if (const auto* taken = std::get_if<Taken>(&done.what)) {
    for (const std::uint64_t stub : taken->stubs) drop_kept(stub, call);
    call.work({.kind = Work::Kind::finish, .park = taken->parked});
    return true;
  }
  bytes_ -= std::get<Item>(done.what).value.footprint();
  if (outside_) {
    call.work({.kind = Work::Kind::finish});
  } else {
    finish_task(call);
  }
  return true;
}

bool QueueObject::nack(Call& call, std::uint64_t number) {
  if (find_reserved(call, number) == nullptr) return false;
  give_back(release_reserved(number, call), call);
  return true;
}

bool QueueObject::touch(Call& call, std::uint64_t number, std::optional<std::uint64_t> time_ms) {
  Reservation* reservation = find_reserved(call, number);
  if (reservation == nullptr) return false;
  if (reservation->end) reserved_.by_end.erase({*reservation->end, number});
  reservation->end = end_of_wait(time_ms, call.now());
  if (reservation->end) reserved_.by_end.emplace(*reservation->end, number);
  set_alarm(call);
  return true;
}

// What is overdue has ended, although its alarm may come after the calls of this moment.
QueueObject::Reservation* QueueObject::find_reserved(Call& call, std::uint64_t number) {
  end_overdue(call);
  const auto found = reserved_.by_number.find(number);
  if (found == reserved_.by_number.end()) return nullptr;
  return found->second.key.session == call.key().session ? &found->second : nullptr;
}

QueueObject::Reservation QueueObject::take_reserved(std::uint64_t number, Context& context) {
  Reservation taken = std::move(reserved_.by_number.extract(number).mapped());
  reserved_.by_key.erase({taken.key, number});
  if (taken.end) reserved_.by_end.erase({*taken.end, number});
  set_alarm(context);
  return taken;
}

QueueObject::Reservation QueueObject::release_reserved(std::uint64_t number, Context& context) {
  Reservation taken = take_reserved(number, context);
  context.disown(taken.key.session);
  return taken;
}

void QueueObject::give_back(Reservation reservation, Context& context) {
  if (const auto* taken = std::get_if<Taken>(&reservation.what)) {
    context.work({.kind = Work::Kind::give_back, .park = taken->parked});
    return;
  }
  std::vector<Item> items;
  items.push_back(std::get<Item>(std::move(reservation.what)));
  put_back(std::move(items), context);
}

// The client has given the reserve up, and does not know what it got.
bool QueueObject::returned_reserved(CallKey key, Context& context) {
  // The last one, should a client have used a number twice.
  const auto behind =
      reserved_.by_key.upper_bound({key, std::numeric_limits<std::uint64_t>::max()});
  if (behind == reserved_.by_key.begin()) return false;
  const auto [found, number] = *std::prev(behind);
  if (found != key) return false;
  give_back(release_reserved(number, context), context);
  return true;
}

// In the order in which it asked. The core has forgotten already what the session owned.
void QueueObject::session_ended(SessionNumber session, Ending, Context& context) {
  for (;;) {
    const auto first = reserved_.by_key.lower_bound({CallKey{session, 0}, 0});
    if (first == reserved_.by_key.end() || first->first.session != session) break;
    const std::uint64_t number = first->second;
    give_back(take_reserved(number, context), context);
  }
  look_for_stubs_of(session, context);
}

void QueueObject::alarm(Context& context) {
  end_overdue(context);
  set_alarm(context);
}

void QueueObject::end_overdue(Context& context) {
  while (!reserved_.by_end.empty() && reserved_.by_end.begin()->first <= context.now()) {
    const std::uint64_t number = reserved_.by_end.begin()->second;
    give_back(release_reserved(number, context), context);
  }
}

void QueueObject::set_alarm(Context& context) const {
  if (reserved_.by_end.empty()) return context.set_alarm(std::nullopt);
  context.set_alarm(reserved_.by_end.begin()->first);
}

void QueueObject::save_reserved(Saver& out) const {
  out.number(reserved_.last_number);
  out.each(reserved_.by_number, [&](const auto& entry) {
    const Reservation& reservation = entry.second;
    out.number(entry.first);
    out.key(reservation.key);
    out.deadline(reservation.end);
    const auto* taken = std::get_if<Taken>(&reservation.what);
    out.boolean(taken != nullptr);
    if (taken == nullptr) {
      save_item(out, std::get<Item>(reservation.what));
    } else {
      save_taken(out, *taken);
    }
  });
}

void QueueObject::load_reserved(Loader& in) {
  reserved_.last_number = in.number();
  in.each([&] {
    const std::uint64_t number = in.number();
    const CallKey key = in.key();
    const core::Deadline end = in.deadline();
    if (in.boolean()) {
      reserved_.by_number.emplace(number, Reservation{key, end, load_taken(in)});
    } else {
      reserved_.by_number.emplace(number, Reservation{key, end, load_item(in)});
    }
    reserved_.by_key.emplace(key, number);
    if (end) reserved_.by_end.emplace(*end, number);
  });
}

}  // namespace steward::detail::server
